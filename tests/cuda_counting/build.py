"""A CUDA toolkit that really compiles, with a driver, a runtime, cuBLAS and cuRAND that only count calls.

Its NCCL exchanges for real, between processes of this machine.
"""

import hashlib
import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pipeline.runtime.cache import cache_root
from pipeline.runtime.cuda import Toolkit
from pipeline.storage.files import new_folder
from tests.nccl_stand_in.build import stand_in_nccl

_HERE = Path(__file__).resolve().parent
_SOURCES = ("runtime.cpp", "driver.cpp", "libraries.cpp")
_HEADERS = ("cards.h", "counts.h")
_FLAGS = ("-std=c++17", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror")
_NAME = "-Wl,-soname,libcounting.so"
_LIBRARIES = ("cudart.so.13", "cublas.so.13", "cublasLt.so.13", "curand.so.10")
# An unused version, 8: a real cuDNN would end the process that loads it here.
_NO_CUDNN = "libcudnn.so.8"


@dataclass(frozen=True)
class CountingToolkit:
    """A folder in a toolkit's layout."""

    folder: Path
    nccl: Path  # the stand-in for NCCL

    @property
    def library(self) -> Path:
        """The driver and all libraries."""
        return self.folder / "driver" / "libcounting.so"

    @property
    def environment(self) -> dict[str, str]:
        """Environment of a process that shall find the driver and the toolkit, as on a machine with a GPU."""
        return {
            **os.environ,
            "CUDA_HOME": str(self.folder),
            "LD_LIBRARY_PATH": str(self.library.parent),
            # The kernels never run, so quick compilation suffices.
            "NVCC_PREPEND_FLAGS": "-Ofc=max",
            "HSSL_NCCL": str(self.nccl),
        }


def counting_toolkit(real: Toolkit) -> CountingToolkit:
    """Compile the libraries, once; the compiler and the headers are those of `real`, CUDA 13."""
    digest = hashlib.sha256(repr((str(real.folder), _FLAGS, _NAME, _LIBRARIES)).encode())
    for name in (*_SOURCES, *_HEADERS):
        digest.update((_HERE / name).read_bytes())
    folder = cache_root() / "native" / "cuda_counting" / digest.hexdigest()[:16]
    if not folder.is_dir():
        with new_folder(folder) as partial:
            _make(partial, folder, real)
    return CountingToolkit(folder, stand_in_nccl())


def _make(partial: Path, folder: Path, real: Toolkit) -> None:
    for name in ("bin", "driver", "lib64"):
        (partial / name).mkdir()
    sources = [str(_HERE / name) for name in _SOURCES]
    include = [f"-I{path}" for path in real.include_folders]
    command = ["g++", *_FLAGS, _NAME, *include, *sources, "-o", str(partial / "driver" / "libcounting.so")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    for name in ("libcuda.so", "libcuda.so.1"):
        (partial / "driver" / name).symlink_to("libcounting.so")
    for name in _LIBRARIES:
        (partial / "lib64" / f"lib{name}").symlink_to(folder / "driver" / "libcounting.so")
    for name in ("libcudadevrt.a", "libcudart_static.a"):
        (partial / "lib64" / name).symlink_to(real.libraries / name)
    (partial / "lib64" / _NO_CUDNN).write_bytes(b"")
    (partial / "include").symlink_to(real.include_folders[0])
    nvcc = partial / "bin" / "nvcc"
    nvcc.write_text(f'#!/bin/sh\nexec {shlex.quote(str(real.nvcc))} "$@"\n')
    nvcc.chmod(0o700)
