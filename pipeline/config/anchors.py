"""Published numbers of published weights, and which arm holds which of these weights.

Each number was read in the file that its source names. Tolerances are this project's own: k-NN is a fixed
computation, so only decoding, resampling and the images held out by `data.val_share` differ; the other
protocols train something, with other code and other random numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_DINO = "README.md of facebookresearch/dino, commit 00e1bcc, table of pretrained models"
_IBOT = "README.md of bytedance/ibot, commit 030ffe4"
_IMAGENET, _ADE20K, _COCO = 50_000, 2000, 5000  # test images
_FEATURES = {"features.resize": 256, "features.crop_size": 224}
_LINEAR = _FEATURES | {"linear.epochs": 100, "linear.batch_size": 1024}
# iBOT's evaluation/eval_linear.py: four blocks for ViT-S; one and the mean patch for ViT-B.
_LINEAR_OF = {
    384: _LINEAR | {"linear.num_blocks": 4, "linear.average_pool": False},
    768: _LINEAR | {"linear.num_blocks": 1, "linear.average_pool": True},
}
_SEGMENT = {"segmentation.view.crop_size": 512, "segmentation.schedule.num_steps": 160_000}
_DETECT = {"detection.view.test_short_side": 800, "detection.heads.stages": 3}


@dataclass(frozen=True)
class PublishedNumber:
    """One number of a publication, and the conditions under which it was measured."""

    task: str  # as tables call it
    metric: str
    percent: float
    tolerance: float  # percentage points
    source: str
    num_images: int  # test images
    conditions: Mapping[str, Any] = field(default_factory=dict)  # key of the experiment -> its value there


@dataclass(frozen=True)
class Anchor:
    """Weights that somebody has published."""

    description: str
    embed_dim: int
    depth: int
    patch_size: int
    numbers: tuple[PublishedNumber, ...]


def _vit(
    description: str, dim: int, knn: float, linear: float, source: str, *others: PublishedNumber
) -> Anchor:
    """A ViT with patches of 16 pixels and its two numbers on ImageNet."""
    numbers = (
        PublishedNumber("knn", "top1", knn, 0.5, source, _IMAGENET, _FEATURES),
        # The best of a sweep on the test set, as iBOT reports it.
        PublishedNumber(
            "linear-augmented", "top1_best_on_test", linear, 1.0, source, _IMAGENET, _LINEAR_OF[dim]
        ),
        *others,
    )
    return Anchor(description, embed_dim=dim, depth=12, patch_size=16, numbers=numbers)


ANCHORS: dict[str, Anchor] = {
    "dino-vit-small-16": _vit("DINO, ViT-S/16", 384, 74.5, 77.0, _DINO),
    "dino-vit-base-16": _vit("DINO, ViT-B/16", 768, 76.1, 78.2, _DINO),
    # The page's table has 74.5 and 77.0 here, which are the numbers of DINO's page; these are from its text.
    "ibot-vit-small-16": _vit(
        "iBOT, ViT-S/16", 384, 75.2, 77.9, f"{_IBOT}, section on pre-training with ViTs"
    ),
    "ibot-vit-base-16": _vit(
        "iBOT, ViT-B/16",
        768,
        77.1,
        79.5,
        f"{_IBOT}, table of pre-trained models",
        PublishedNumber(
            "segment-uper-finetuned", "miou", 50.0, 1.0, f"{_IBOT}, introduction", _ADE20K, _SEGMENT
        ),
        PublishedNumber("detect-box-finetuned", "ap", 51.4, 1.0, f"{_IBOT}, introduction", _COCO, _DETECT),
        PublishedNumber("detect-mask-finetuned", "ap", 44.2, 1.0, f"{_IBOT}, introduction", _COCO, _DETECT),
    ),
}


def check_anchors(anchors: Mapping[str, str], weights: Mapping[str, Any]) -> None:
    """Refuse anchors for arms without [weights.ARM], and unknown anchors.

    Args:
        anchors: arm -> name of an anchor.
        weights: the experiment's [weights.NAME] sections, by arm.

    Raises:
        ValueError: one of these was found.
    """
    for arm, name in anchors.items():
        if arm not in weights:
            raise ValueError(f"anchors.{arm}: no [weights.{arm}]; there are {list(weights) or 'none'}")
        if name not in ANCHORS:
            raise ValueError(f"anchors.{arm}: unknown anchor {name!r}; choose from {list(ANCHORS)}")
