"""Boxes and scenes for tests of detection."""

import numpy as np
import pytest


@pytest.fixture
def random_boxes(rng):
    """random_boxes(n, extent): (n, 4) float32 with sides from 5 % to 60 % of the extent, inside of it."""

    def draw(num_boxes: int, extent: float) -> np.ndarray:
        sides = rng.uniform(0.05, 0.6, (num_boxes, 2)) * extent
        corners = rng.uniform(0, 1, (num_boxes, 2)) * (extent - sides)
        return np.concatenate([corners, corners + sides], axis=1).astype(np.float32)

    return draw


@pytest.fixture
def small_heads():
    """small_heads(**changes): settings of a detector that takes milliseconds."""
    from pipeline.config.dense import DetectHeadConfig

    small = {
        "width": 16, "num_levels": 4, "anchor_scale": 4, "finest_scale": 16, "rpn_samples": 32,
        "num_proposals_per_level": 40, "num_proposals": 30, "num_test_proposals_per_level": 40,
        "num_test_proposals": 30, "roi_samples": 16, "box_convs": 0, "box_fcs": 2, "box_hidden_dim": 32,
        "mask_convs": 1, "inner_anchors_only": False, "max_detections": 12,
    }  # fmt: skip
    return lambda **changes: DetectHeadConfig(**small | changes)


@pytest.fixture
def small_detector(jt, small_heads):
    """small_detector(masks=True, frozen=False, num_classes=3, **heads): patches of 8 px, 4 blocks."""
    from pipeline.config.backbone import BackboneConfig
    from pipeline.detection.cascade import CascadeMaskRcnn
    from pipeline.models.dense_backbone import DenseBackbone
    from pipeline.models.initialization import initialize
    from pipeline.models.vit import VisionTransformer

    sizes = {"image_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 4, "num_heads": 3}

    def build(*, masks: bool = True, frozen: bool = False, num_classes: int = 3, seed: int = 0, **heads):
        network = VisionTransformer(BackboneConfig(size="custom", **sizes))
        initialize(network, seed=0)
        backbone = DenseBackbone(network, tap_norm=True, frozen=frozen)
        return CascadeMaskRcnn(backbone, small_heads(**heads), num_classes, masks=masks, seed=seed)

    return build


@pytest.fixture
def painted_scene():
    """painted_scene(height, width, boxes, crowd=(), masks=True): rectangles in the colours of their classes.

    boxes: (x1, y1, x2, y2, class) in whole pixels; crowd: indices of those that are crowds.
    """
    from pipeline.transforms.scene import Scene

    colours = np.array([[220, 40, 40], [40, 220, 40], [60, 60, 240]], np.uint8)

    def paint(height: int, width: int, boxes, *, crowd=(), masks: bool = True):
        image = np.full((height, width, 3), 128, np.uint8)
        image[::2, ::2] = 110
        regions = np.zeros((len(boxes), height, width), bool)
        for region, (x1, y1, x2, y2, label) in zip(regions, boxes, strict=True):
            image[y1:y2, x1:x2] = colours[label]
            region[y1:y2, x1:x2] = True
        table = np.array(boxes, np.float32).reshape(-1, 5)
        return Scene(
            image,
            boxes=table[:, :4].copy(),
            classes=table[:, 4].astype(np.int64),
            crowd=np.isin(np.arange(len(boxes)), crowd),
            masks=regions if masks else None,
        )

    return paint


@pytest.fixture
def painted_batch(painted_scene):
    """painted_batch([boxes of an image, ...], height, width, **scene): a training batch of painted scenes."""
    from pipeline.detection.batches import batch_of

    def make(boxes_of_images, height: int = 64, width: int = 64, *, seed: int = 0, **scene):
        views = [painted_scene(height, width, boxes, **scene) for boxes in boxes_of_images]
        names = [f"{index}.png" for index in range(len(views))]
        seeds = np.random.default_rng(seed).integers(2**62, size=len(views))
        half = np.full(3, 0.5)
        return batch_of(views, names, seeds, mean=half, std=half, multiple=32)

    return make
