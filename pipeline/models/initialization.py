"""First values of a network's parameters, a pure function of (seed, parameter name, shape).

Two networks that share a part start from the same values there: the baseline's backbone, HSSL's and
the random arm's are equal at one seed.
"""

import zlib

import jittor as jt
import numpy as np
from jittor import nn
from scipy.special import ndtr, ndtri

STD = 0.02  # truncated normal of ViT, ConvNeXt and the DINO head, cut at two standard deviations


def initialize(network: nn.Module, seed: int) -> None:
    """Draw every parameter of `network`: norms 1 and 0, biases 0, all else truncated normal.

    Source: DINO/iBOT ViT and head initialisation. Deviation from the official HSSL code, which leaves
    the head's depthwise convolution at its framework's default: here as in ConvNeXt (the layer norm
    behind it cancels the scale).
    """
    for name, parameter in network.named_parameters():
        parameter.assign(jt.array(first_value(name, tuple(parameter.shape), seed)))


def first_value(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """The first value of one parameter, float32; a backbone inside a larger network starts like one alone."""
    name = name.removeprefix("backbone.")
    if name.endswith("bias"):
        return np.zeros(shape, np.float32)
    if "norm" in name.split(".")[-2:][0]:
        return np.ones(shape, np.float32)
    rng = np.random.default_rng((seed, zlib.crc32(name.encode())))
    # By the inverse distribution function: one uniform number an entry, no rejection loop.
    low, high = ndtr(-2.0), ndtr(2.0)
    uniform = low + (high - low) * rng.random(shape)
    return (STD * ndtri(uniform)).astype(np.float32)
