"""Initial values of a network's parameters, a pure function of (seed, parameter name, shape).

Two networks that share a part have the same initial values there: the backbones of the baseline, of HSSL and
of the random arm are equal for one seed.
"""

import math
import zlib

import jittor as jt
import numpy as np
from jittor import nn
from scipy.special import ndtr, ndtri

PREDICTION_STD = 0.01
LAYER_SCALE = 1e-6  # of ConvNeXt
STD = 0.02  # truncated normal of ViT, ConvNeXt and the DINO head, cut at two standard deviations


def initialize(network: nn.Module, seed: int) -> None:
    """Draw every parameter of `network`: norms 1 and 0, gains 1, biases 0, all others truncated normal.

    Layer scales are small numbers, and filters of a ResNet base have He et al.'s sqrt(2 / inputs).

    Source: DINO/iBOT ViT and head initialisation. Deviation from the official HSSL code, which leaves the
    head's depthwise convolution at its framework's default: here as in ConvNeXt (the layer norm after it
    cancels the scale).
    """
    for name, parameter in network.named_parameters():
        parameter.assign(jt.array(initial_value(name, tuple(parameter.shape), seed)))


def initial_value(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """The initial value of a parameter, float32; the same for a backbone inside a larger network."""
    name = name.removeprefix("backbone.")
    if name.endswith("bias"):
        return np.zeros(shape, np.float32)
    if "norm" in name.split(".")[-2:][0] or ".norms." in name or name.split(".")[-1].endswith("gain"):
        return np.ones(shape, np.float32)
    if name.endswith("layer_scale"):
        return np.full(shape, LAYER_SCALE, np.float32)
    if name.endswith("filters"):
        return truncated_normal(name, shape, seed, math.sqrt(2 / np.prod(shape[1:])))
    return truncated_normal(name, shape, seed, STD)


def initialize_head(head: nn.Module, seed: int) -> None:
    """Draw every parameter of a dense head.

    Norms start at 1 and 0, running statistics at 0 and 1, biases at 0, layers named `predict_...` with
    standard deviation PREDICTION_STD, everything else with He et al.'s sqrt(2 / inputs).

    Source: He et al. 2015; 0.01 for predictions as in Faster R-CNN and FCN. Deviation: truncated at two
    standard deviations, as everywhere in this project.
    """
    for name, parameter in head.named_parameters():
        value = _head_value(name, tuple(parameter.shape), seed)
        taking_gradients = parameter.requires_grad
        parameter.assign(jt.array(value))
        (parameter.start_grad if taking_gradients else parameter.stop_grad)()


def truncated_normal(name: str, shape: tuple[int, ...], seed: int, std: float) -> np.ndarray:
    """Normal numbers, truncated at two standard deviations, float32; a function of seed and name."""
    rng = np.random.default_rng((seed, zlib.crc32(name.encode())))
    # By the inverse distribution function: one uniform number per entry, no rejection loop.
    low, high = ndtr(-2.0), ndtr(2.0)
    uniform = low + (high - low) * rng.random(shape)
    return (std * ndtri(uniform)).astype(np.float32)


def _head_value(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    *modules, last = name.split(".")
    if last in ("bias", "running_mean"):
        return np.zeros(shape, np.float32)
    if last == "running_var" or (modules and "norm" in modules[-1]):
        return np.ones(shape, np.float32)
    if any(module.startswith("predict") for module in modules):
        return truncated_normal(name, shape, seed, PREDICTION_STD)
    return truncated_normal(name, shape, seed, math.sqrt(2 / np.prod(shape[1:])))
