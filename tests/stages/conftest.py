"""A prepared data set of 60 labelled images of 24 pixels, and a network of its size."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.config.backbone import BackboneConfig
from pipeline.config.data import DataConfig
from pipeline.config.stages import PretrainConfig
from pipeline.datasets.preparing import prepare
from tests.stages.drawing import drawn_backbone


@pytest.fixture(scope="session")
def tiny_prepared(tmp_path_factory) -> Path:
    """Three classes, each with its own colour under strong noise: 36 train, 12 val and 12 test images."""
    folder = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(0)
    colours = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200]])
    arrays = {}
    for split, size in (("train", 36), ("val", 12), ("test", 12)):
        labels = np.arange(size) % 3
        noise = rng.integers(-60, 56, size=(size, 24, 24, 3))
        arrays[f"{split}_images"] = (colours[labels][:, None, None] + noise).astype(np.uint8)
        arrays[f"{split}_labels"] = labels
    np.savez(folder / "tiny.npz", **arrays)
    output = folder / "prepared"
    output.mkdir()
    prepare(DataConfig(source=str(folder / "tiny.npz")), output, num_workers=1)
    return output


@pytest.fixture
def tiny_config() -> PretrainConfig:
    """HSSL of two blocks, three steps of twelve images."""
    return PretrainConfig.model_validate(
        {
            "backbone": {
                "size": "custom", "image_size": 24, "patch_size": 6,
                "embed_dim": 24, "depth": 2, "num_heads": 3,
            },
            "auxiliary_head": {"depth": 2, "kernel_size": 3},
            "projection_head": {"hidden_dim": 20, "bottleneck_dim": 12, "num_prototypes": 19},
            "objective": {},
            "regularisation": {},
            "crops": {"global_size": 24},
            "masks": {},
            "schedule": {"epochs": 1, "batch_size": 12, "warmup_epochs": 0, "freeze_last_layer_epochs": 0},
            "normalization": "dataset",
            "seed": 3,
        }
    )  # fmt: skip


@pytest.fixture
def backbone(jt, tiny_prepared, tmp_path) -> Path:
    """The artifact of a ViT of two blocks with initial values, for images of 16 pixels."""
    base = BackboneConfig(size="custom", image_size=16, patch_size=8, embed_dim=24, depth=2, num_heads=3)
    return drawn_backbone(tmp_path / "initialize", base, tiny_prepared)
