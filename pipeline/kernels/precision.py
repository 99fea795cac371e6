"""How exactly linear layers multiply."""

from pathlib import Path
from typing import Literal

from pipeline.kernels import library, selection

# What a processor says of itself where it multiplies bfloat16 faster than float32.
_FLAGS = {"avx512_bf16", "amx_bf16"}


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
        if not processor_multiplies_bfloat16():
            raise ValueError(
                'schedule.precision = "bfloat16": this processor has no instructions for it (expected one of '
                f'{", ".join(sorted(_FLAGS))} in its flags); use "float32"'
            )
    if selection.fused_matmul():
        library.load().handle.hssl_round_factors(int(precision == "bfloat16"))


def processor_multiplies_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor has instructions for products of bfloat16, as the kernel tells."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return False
    return any(_FLAGS & set(line.split()) for line in lines if line.startswith("flags"))
