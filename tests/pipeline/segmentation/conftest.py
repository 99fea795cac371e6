"""A network of two blocks with patches of 8 pixels, its settings, and a data set in memory."""

import numpy as np
import pytest

from pipeline.config.backbone import BackboneConfig
from pipeline.config.dense import FinetuneSchedule, SegmentConfig, SegmentHeadConfig, SegmentViewConfig


@pytest.fixture
def configured():
    """configured(head, **view): settings of a small segmentation."""

    def make(head="uper", **view):
        return SegmentConfig(
            head=head,
            frozen=False,
            heads=SegmentHeadConfig(width=8, auxiliary_width=6, dropout=0.25),
            view=SegmentViewConfig(**{"crop_size": 20, "resize": (20, 40), "inference": "whole"} | view),
            schedule=FinetuneSchedule(num_steps=4, batch_size=3, lr=1e-3, warmup_steps=1),
            seed=7,
            num_bootstrap=20,
            num_pictures=2,
        )

    return make


@pytest.fixture
def network_of(jt):
    """network_of(config): with four classes, on a backbone drawn at random."""

    def make(config):
        from pipeline.models.dense_backbone import DenseBackbone
        from pipeline.models.initialization import initialize
        from pipeline.models.vit import VisionTransformer
        from pipeline.segmentation.network import SegmentationNetwork

        architecture = BackboneConfig(
            size="custom", image_size=16, patch_size=8, embed_dim=12, depth=2, num_heads=2
        )
        vit = VisionTransformer(architecture)
        initialize(vit, seed=0)
        backbone = DenseBackbone(vit, tap_norm=True, frozen=config.frozen)
        return SegmentationNetwork(backbone, config, num_classes=4)

    return make


class InMemory:
    """The part of a prepared data set that segmentation needs; every image is a training and a test image."""

    annotation = "label-map"

    def __init__(self, images, label_maps):
        self._images, self._label_maps = images, label_maps

    def indices(self, split):
        return np.arange(len(self._images))

    def image(self, i):
        return self._images[i]

    def label_map(self, i):
        return self._label_maps[i]

    def size(self, i):
        height, width = self._images[i].shape[:2]
        return width, height

    def path(self, i):
        return f"{i}.png"


@pytest.fixture
def in_memory(rng):
    """in_memory(sizes): images of these (height, width), the red of each pixel 60 times its class."""

    def make(sizes):
        label_maps = [rng.integers(0, 4, size).astype(np.int16) for size in sizes]
        images = [np.stack([60 * labels] * 3, axis=2).astype(np.uint8) for labels in label_maps]
        return InMemory(images, label_maps)

    return make
