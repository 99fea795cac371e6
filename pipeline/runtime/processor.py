"""The processor, as the operating system's kernel describes it. Nothing here needs Jittor."""

import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# Flags of a processor that multiplies bfloat16 faster than float32.
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


def model_and_flags() -> str:
    """The processor's model and flags, on which -march=native depends; they differ between machines."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        return platform.processor()
    return " ".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))


def model_name() -> str | None:
    """Name of the processor's model; None where the kernel does not say."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    named = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in named if key.strip() == "model name"), None)


def multiplies_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Whether the processor has instructions for bfloat16 products; False if the kernel does not say."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return False
    return any(BFLOAT16_FLAGS & set(line.split()) for line in lines if line.startswith("flags"))
