"""How exactly linear layers multiply."""

from typing import Literal

from pipeline.kernels import library, selection
from pipeline.processor import BFLOAT16_FLAGS, multiplies_bfloat16


def use_precision(precision: Literal["float32", "bfloat16"]) -> None:
    """From now on, linear layers multiply float32, or factors rounded to bfloat16; sums are float32 always.

    Forward and both gradients. Weights, optimiser, norms, attention and losses stay float32.

    Raises:
        ValueError: bfloat16 is asked for where it would be ignored, or be slower: without the compiled
            kernels and oneDNN, or on a processor without instructions for it.
    """
    if precision == "bfloat16":
        if not selection.fused_matmul():
            raise ValueError(
                'schedule.precision = "bfloat16" needs runtime.kernels = "fused" on a CPU, and oneDNN; '
                f"{library.problem() or 'the plain kernels run'}"
            )
        if not multiplies_bfloat16():
            raise ValueError(
                'schedule.precision = "bfloat16": this processor has no instructions for it (expected one of '
                f'{", ".join(sorted(BFLOAT16_FLAGS))} in its flags); use "float32"'
            )
    if selection.fused_matmul():
        library.load().handle.hssl_round_factors(int(precision == "bfloat16"))
