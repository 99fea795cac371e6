"""The processor, as the kernel describes it. Nothing here needs Jittor."""

import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# Flags of a processor that multiplies bfloat16 faster than float32.
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


def model_and_flags() -> str:
    """What -march=native depends on: a home folder may be shared by machines that differ in it."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        return platform.processor()
    return " ".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))


def multiplies_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Whether there are instructions for products of bfloat16; False where the kernel does not tell."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return False
    return any(BFLOAT16_FLAGS & set(line.split()) for line in lines if line.startswith("flags"))
