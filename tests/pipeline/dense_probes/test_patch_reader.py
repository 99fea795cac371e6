import numpy as np
import pytest
from PIL import Image

from pipeline.config.backbone import BackboneConfig
from pipeline.dense_probes.patch_features import patch_features
from pipeline.dense_probes.patch_reader import PatchReader

MEAN, STD = np.array([0.4, 0.5, 0.6], np.float32), np.array([0.2, 0.25, 0.3], np.float32)


class Dataset:
    """Images of several shapes."""

    def __init__(self, rng):
        self.drawn = [rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in ((30, 50), (24, 24), (61, 20))]

    def image(self, i, at_least=None):
        return self.drawn[i % 3]

    def images(self, rows, at_least=None):
        return [self.image(row) for row in rows]

    def path(self, i):
        return f"image {i}"


@pytest.fixture
def backbone(jt):
    from pipeline.models.backbone_file import FrozenBackbone
    from pipeline.models.initialization import initialize
    from pipeline.models.vit import VisionTransformer

    config = BackboneConfig(size="custom", image_size=24, patch_size=6, embed_dim=16, depth=2, num_heads=2)
    network = VisionTransformer(config)
    initialize(network, seed=0)
    return FrozenBackbone(network, config, "random", MEAN, STD)


def reader(backbone):
    shown = []

    def show(batches, purpose, total):
        shown.append((purpose, total))
        return batches

    return PatchReader(backbone, image_size=24, batch_size=4, num_threads=2, show=show), shown


def test_every_image_in_order_whatever_its_shape(backbone, rng):
    dataset, (patches, shown) = Dataset(rng), reader(backbone)
    rows = np.array([4, 5, 6, 8, 9, 11])
    parts = list(patches.read(dataset, rows, "train"))
    assert np.concatenate([part for part, _ in parts]).tolist() == rows.tolist()
    assert shown == [("train", 2)]
    tokens = np.concatenate([features.tokens for _, features in parts])
    assert tokens.shape == (6, 4, 4, 16)
    resized = [Image.fromarray(dataset.image(row)).resize((24, 24), Image.Resampling.BICUBIC) for row in rows]
    squares = (np.stack([np.asarray(image) for image in resized]) / 255 - MEAN) / STD
    expected = patch_features(backbone.network, squares.transpose(0, 3, 1, 2).astype(np.float32))
    # Pillow rounds between its two passes and after them; the renderer does not.
    assert np.abs(tokens - expected.tokens).mean() < 0.02


def test_features_that_are_not_finite_name_the_image(jt, backbone, rng):
    backbone.network.norm.weight.assign(jt.array(np.full(16, np.nan, np.float32)))
    with pytest.raises(FloatingPointError, match="in the batch that starts at image 7"):
        list(reader(backbone)[0].read(Dataset(rng), np.array([7, 8]), "train"))
