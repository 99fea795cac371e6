"""Renders crops of packed images on the GPU, to the same 8-bit levels as `pipeline.transforms.rendering`.

The kernels (native/cuda/augment.cu) interpolate, round and clip as the CPU code does, from one upload of
8-bit images. This runs in the thread that uses Jittor; `packing` runs in the loader's threads.
"""

import jittor as jt
import numpy as np

from pipeline.kernels import selection
from pipeline.transforms.packing import CropOrders, Pack
from pipeline.transforms.rendering import scale_and_bias

# As in native/cuda/augment.h.
_TYPES = {
    "hssl_augment": ["long"] * 6 + ["const unsigned char*", "unsigned char*"],
    "hssl_normalise_pixels": ["long"] * 2 + ["double"] * 6 + ["const unsigned char*", "float*"],
}


def available() -> bool:
    """Whether Jittor runs on a GPU with compiled kernels."""
    return selection.on_device()


def rendered(packed: Pack) -> list[jt.Var]:
    """Upload the pack and render its crops.

    Returns:
        (n, 3, size, size) uint8 for each of `packed.orders`.
    """
    upload = jt.array(packed.data)
    return [_augmented(upload, orders) for orders in packed.orders]


def normalised(pixels: jt.Var, *, mean: np.ndarray, std: np.ndarray) -> jt.Var:
    """Normalise 8-bit levels to a network's input.

    Args:
        pixels: (n, 3, h, w) uint8.
        mean, std: (3,) of the channels in [0, 1].

    Returns:
        (n, 3, h, w) float32.
    """
    names = [f"{what}_of_{colour}" for what in ("scale", "bias") for colour in ("red", "green", "blue")]
    numbers = dict(zip(names, np.concatenate(scale_and_bias(mean, std)).tolist(), strict=True))
    sizes = ["in0_shape0", "in0_shape2 * in0_shape3"]
    return _call("hssl_normalise_pixels", sizes, numbers, pixels, tuple(pixels.shape), "float32")


def _augmented(upload: jt.Var, orders: CropOrders) -> jt.Var:
    numbers = {
        "taps": orders.taps,
        "most_rows": orders.most_rows,
        "all_rows": orders.all_rows,
        "crops_at": orders.at,
    }
    shape = (orders.num_crops, 3, orders.size, orders.size)
    return _call("hssl_augment", ["out0_shape0", "out0_shape2"], numbers, upload, shape, "uint8")


def _call(
    function: str,
    sizes: list[str],
    numbers: dict[str, float],
    given: jt.Var,
    shape: tuple[int, ...],
    dtype: str,
) -> jt.Var:
    """A Jittor operator that calls function(sizes, numbers, given, result) when its result is needed."""
    arguments = ", ".join([*sizes, *(f'data["{name}"]' for name in numbers), "in0_p", "out0_p"])
    where = "cuda" if jt.flags.use_cuda else "cpu"
    code = {
        f"{where}_header": f'extern "C" void {function}({", ".join(_TYPES[function])});',
        f"{where}_src": f"{function}({arguments});",
    }
    return jt.code(shape, dtype, [given], data=numbers, **code)
