"""Inputs of the golden cases of single networks and losses; outputs: values, and gradients of their sum."""

import numpy as np

from tests.golden.recipe import drawn, joined

# Windows do not divide this grid, as for local crops.
HEAD_GRID = (5, 7)
BASES = {
    "swin": ("swin", {}, (32, 32)),
    "swin, windows not filled": ("swin", {"patch_size": 1, "window_size": 4}, (24, 40)),
    "convnext": ("convnext", {}, (32, 32)),
    "convnext, stride 4": ("convnext", {"patch_size": 4, "kernel_size": 7}, (32, 64)),
    "resnet": ("resnet", {}, (32, 48)),
    "resnet, stride 1": ("resnet", {"patch_size": 1, "bottleneck": True, "embed_dim": 16}, (16, 32)),
    "resnet, stride 4": ("resnet", {"patch_size": 4, "bottleneck": True}, (32, 64)),
}
UPER_SIZES, UPER_CHANNELS = ((8, 12), (4, 6), (2, 3), (1, 2)), (5, 5, 6, 4)
FPN_SIZES = ((10, 13), (5, 7), (3, 4), (2, 2))
SMOOTH_L1_BETA = 1 / 9
LOSSES = ("binary cross-entropy", "smooth L1", "cross-entropy", "pixel cross-entropy")


def generator():
    return np.random.default_rng(20240607)


def normal(rng, *shape) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def weights_of(network):
    """Drawn weights with the names and shapes of a network's; running statistics have initial values."""
    return {name: drawn(name, tuple(p.shape)) for name, p in network.named_parameters() if p.requires_grad}


def head_inputs():
    """A map, stochastic depth of three blocks, weights of the sum."""
    from tests.pipeline.models.auxiliary_heads.small_head import DIM

    rng = generator()
    scales = np.array([[0, 1.25, 1.25], [1.5, 0, 1.5], [2, 2, 0]], np.float32)
    return {"map": normal(rng, 3, *HEAD_GRID, DIM), "scales": scales, "weighting": normal(rng, 3, DIM)}


def base_inputs(config, size):
    rng = generator()
    mask = rng.random((2, size[0] // config.stride, size[1] // config.stride)) < 0.5
    mask[0].flat[0], mask[-1].flat[-1] = True, False
    return {
        "images": normal(rng, 2, 3, *size),
        "mask": mask,
        "scales": rng.choice([0, 1.0, 1.6], size=(config.num_blocks, 2, 2)).astype(np.float32),
        "cls weighting": normal(rng, 2, config.dim),
        "patch weighting": normal(rng, 1, 1, config.dim),
    }


def uper_inputs():
    rng = generator()
    maps = {
        f"map {i}": normal(rng, 3, channels, *size)
        for i, (channels, size) in enumerate(zip(UPER_CHANNELS, UPER_SIZES, strict=True))
    }
    scales = rng.choice([0, 1.25], size=(3, 7)).astype(np.float32)
    return maps | {"scales": scales, "weighting": normal(rng, 3, 4, *UPER_SIZES[0])}


def fpn_inputs():
    rng = generator()
    return {f"map {i}": normal(rng, 2, 6, *size) for i, size in enumerate(FPN_SIZES)}


def mask_head_inputs():
    return {"pooled": normal(generator(), 4, 16, 14, 14), "classes": np.array([2, 0, 2, 1])}


def uper_head():
    from pipeline.models.segmentation_heads import UperHead

    return UperHead(UPER_CHANNELS, width=7, num_classes=4)


def fpn():
    from pipeline.detection.fpn import Fpn

    return Fpn([6] * 4, 5, 5)


def mask_head():
    from pipeline.config.dense import DetectHeadConfig
    from pipeline.detection.roi_heads import MaskHead

    return MaskHead(DetectHeadConfig(width=16, mask_convs=2), 3)


# name -> the network, its inputs
DENSE = {
    "UPerNet": (uper_head, uper_inputs),
    "FPN": (fpn, fpn_inputs),
    "mask head": (mask_head, mask_head_inputs),
}


def loss_inputs(name):
    """Logits (or boxes) first, targets after them; logits up to 200, where a naive formula overflows."""
    from pipeline.datasets.targets import IGNORED

    rng = generator()
    if name == "smooth L1":
        return {"x": normal(rng, 50, 4), "target": normal(rng, 50, 4), "weighting": normal(rng, 50, 4)}
    if name == "binary cross-entropy":
        x = (rng.uniform(-1, 1, (40, 7)) * rng.choice([1, 200], (40, 7))).astype(np.float32)
        return {"x": x, "target": rng.random((40, 7)).astype(np.float32), "weighting": normal(rng, 40, 7)}
    if name == "cross-entropy":
        x = (rng.uniform(-1, 1, (40, 7)) * rng.choice([1, 200], (40, 1))).astype(np.float32)
        return {"x": x, "target": rng.integers(0, 7, 40)}
    labels = rng.integers(0, 6, size=(3, 10, 14)).astype(np.int16)
    labels[rng.random(labels.shape) < 0.3] = IGNORED
    return {"x": 5 * normal(rng, 3, 6, 5, 7), "target": labels}


def groups_of(inputs, weights, values, gradients):
    """The results of either program under the same names; everything is name -> array."""
    from tests.pipeline.pretrain.small_run import without_key_bias

    given = {name: np.asarray(array, np.float64) for name, array in inputs.items()}
    if weights:
        given["weights"] = joined(weights.values())
    slopes = {name: without_key_bias(name, np.asarray(g)) for name, g in gradients.items()}
    return {"inputs": given, "values": values, "gradients": slopes}
