"""The precision of matrix products in linear layers and attention."""

from typing import Literal

from pipeline.kernels import library, selection
from pipeline.runtime.cuda import architecture
from pipeline.runtime.processor import BFLOAT16_FLAGS, multiplies_bfloat16

Precision = Literal["float32", "tf32", "bfloat16"]

_NUMBERS = {"float32": 0, "tf32": 1, "bfloat16": 2}  # of the library's `set_precision`


_FIRST = (8, 0)  # compute capability of the first cards with bfloat16 and tf32


class _State:
    precision: Precision = "float32"


def use_precision(
    precision: Literal["auto", "float32", "tf32", "bfloat16"], *, auto: Precision = "bfloat16"
) -> None:
    """Set the precision of the factors of matrix products; their sums are always float32.

    It applies to the forward pass and to both gradients, in linear layers, in the attention of transformer
    blocks, and in convolutions on a device. Weights, optimiser, norms and losses stay float32. Activations
    that a block or an MLP stores for its gradient are bfloat16 with "bfloat16".

    Args:
        precision: "auto" is `auto` on a device that supports it, else float32.

    Raises:
        ValueError: the precision would be ignored, or be slower: without the compiled kernels (and oneDNN),
            or on hardware without instructions for it.
    """
    if precision == "auto":
        precision = auto if selection.on_device() and architecture() >= _FIRST else "float32"
    if precision != "float32":
        _check(precision)
    _State.precision = precision
    if selection.on_device():
        library.load().function("set_precision")(_NUMBERS[precision])
    elif selection.fused_matmul():
        library.load().function("round_factors")(int(precision == "bfloat16"))


def current_precision() -> Precision:
    """The precision set by `use_precision`."""
    return _State.precision


def activation_dtype() -> str:
    """Type in which layers of several products keep activations for the gradient."""
    return "bfloat16" if _State.precision == "bfloat16" else "float32"


def layer_function(name: str) -> str:
    """The library's function for a layer of several products, such as "block", in the current precision.

    On a processor there is one for each precision: what it keeps for the gradient has another type. The
    device's functions go by `set_precision`.
    """
    return f"{name}_rounded" if _State.precision == "bfloat16" and not selection.on_device() else name


def _check(precision: Precision) -> None:
    asked = f'schedule.precision = "{precision}"'
    if selection.on_device():
        if architecture() < _FIRST:
            found, first = (".".join(map(str, capability)) for capability in (architecture(), _FIRST))
            raise ValueError(
                f"{asked}: this card has compute capability {found}, and cards from {first} on multiply it; "
                'use "float32" or "auto"'
            )
        return
    if precision == "tf32":
        raise ValueError(f'{asked} needs a GPU and runtime.kernels = "fused"; use "float32" or "auto"')
    if not selection.fused_matmul():
        raise ValueError(
            f'{asked} needs runtime.kernels = "fused" and, on a CPU, oneDNN; '
            f"{library.problem() or 'the plain kernels run'}"
        )
    if not multiplies_bfloat16():
        raise ValueError(
            f"{asked}: this processor has no instructions for it (expected one of "
            f'{", ".join(sorted(BFLOAT16_FLAGS))} in its flags); use "float32"'
        )
