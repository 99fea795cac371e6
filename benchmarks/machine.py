"""Describes the measured machine."""

import os
import platform
from datetime import datetime
from importlib import metadata

from pipeline.runtime.processor import model_and_flags, model_name

_VECTORS = {"avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"}
PACKAGES = (
    "jittor",
    "numpy",
    "onednn-cpu-gomp",
    "torch",
    "torchvision",
    "scikit-learn",
    "faiss-cpu",
    "pillow",
)


def describe_machine(threads: int, peak_gflops: float | None) -> dict[str, str]:
    """Hardware, threads and versions, for the head of the report."""
    cores = len(os.sched_getaffinity(0))
    installed = {name: version(name) for name in PACKAGES}
    return {
        "processor": f"{processor_name()}, {cores} core(s) for this process of {os.cpu_count()}",
        "vector instructions": ", ".join(sorted(_VECTORS & set(model_and_flags().split()))) or "none known",
        "threads": str(threads),
        "memory": f"{_total_gib():.1f} GiB",
        "fp32 matmul peak": "not measured" if peak_gflops is None else f"{peak_gflops:.0f} GFLOP/s",
        "Python": platform.python_version(),
        "packages": ", ".join(f"{name} {found or '(not installed)'}" for name, found in installed.items()),
        "date": datetime.now().astimezone().strftime("%d %B %Y, %H:%M"),
    }


def processor_name() -> str:
    """Name of the processor, or of its architecture."""
    return model_name() or platform.machine()


def version(package: str) -> str | None:
    """Version of an installed package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _total_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
