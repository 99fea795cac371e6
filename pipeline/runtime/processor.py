"""The processor, as Linux describes it in /proc/cpuinfo. Nothing here needs Jittor."""

import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# CPU flags of instructions that multiply bfloat16 faster than float32.
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


def model_and_flags() -> str:
    """The processor's model and flags, on which the code of -march=native depends."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        return platform.processor()
    return " ".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))


def model_name() -> str | None:
    """Name of the processor's model; None if Linux does not report it."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    named = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in named if key.strip() == "model name"), None)


def multiplies_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Whether the processor has instructions for bfloat16 products; False if Linux does not report it."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return False
    return any(BFLOAT16_FLAGS & set(line.split()) for line in lines if line.startswith("flags"))
