"""Small bases of every kind, with weights far from their initial values."""

import numpy as np

from pipeline.config.backbone import BackboneConfig

# Maps of 2 x 2 positions at 32 pixels; stages of 16, 8, 4 and 2 positions.
SMALL: dict[str, dict] = {
    "vit": {"patch_size": 16, "embed_dim": 24, "depth": 3, "num_heads": 3},
    "swin": {"patch_size": 2, "embed_dim": 8, "depths": (2, 1, 1, 2), "num_heads": 2, "window_size": 3},
    "convnext": {"patch_size": 2, "embed_dim": 8, "depths": (1, 2, 1, 2), "kernel_size": 3},
    "resnet": {"patch_size": 2, "embed_dim": 8, "depths": (1, 2, 1, 2), "bottleneck": False},
}
HIERARCHICAL = tuple(kind for kind in SMALL if kind != "vit")


def base_config(kind, **changes) -> BackboneConfig:
    values = {"kind": kind, "size": "custom", "image_size": 32} | SMALL[kind] | changes
    return BackboneConfig.model_validate(values)


def build(config, rng=None):
    """A base of this configuration; with `rng`, scrambled: no output or gradient is near 0."""
    from pipeline.models.backbones import build_backbone
    from pipeline.models.initialization import initialize
    from pipeline.models.weights import assign_arrays, named_arrays

    network = build_backbone(config)
    initialize(network, seed=0)
    if rng is not None:
        weights = {
            name: (value * 3 + 0.2 * rng.normal(size=value.shape)).astype(np.float32)
            for name, value in named_arrays(network).items()
        }
        assign_arrays(network, weights, "test")
    return network


def random_images(rng, num=2, height=32, width=32):
    return rng.normal(size=(num, 3, height, width)).astype(np.float32)


def random_mask(rng, config, num=2, height=32, width=32):
    mask = rng.random((num, height // config.stride, width // config.stride)) < 0.5
    mask[0].flat[0], mask[-1].flat[-1] = True, False
    return mask
