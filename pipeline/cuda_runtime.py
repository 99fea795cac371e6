"""Is there a GPU that works? Asked of the driver itself: an `nvcc` on PATH proves nothing."""

import ctypes
import shutil
from pathlib import Path


def num_cuda_devices() -> int:
    """Number of GPUs that the CUDA driver can use; 0 without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def find_nvcc() -> Path | None:
    """The CUDA compiler with its runtime library beside it, which Jittor needs to build for a GPU."""
    for candidate in (shutil.which("nvcc"), "/usr/local/cuda/bin/nvcc", "/opt/cuda/bin/nvcc"):
        if candidate and Path(candidate).is_file() and _has_runtime(Path(candidate)):
            return Path(candidate)
    return None


def _has_runtime(nvcc: Path) -> bool:
    """Whether libcudart.so is where Jittor looks for it."""
    home = nvcc.resolve().parent.parent
    folders = [home / "lib64", home / "lib", Path("/usr/lib/x86_64-linux-gnu")]
    return any((folder / "libcudart.so").exists() for folder in folders)
