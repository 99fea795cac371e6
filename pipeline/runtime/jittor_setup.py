"""Chooses the device and the tools with which Jittor is compiled, and sets the environment that it reads."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from pipeline.runtime import environment
from pipeline.runtime.cache import cache_root
from pipeline.runtime.cuda.cards import use_card
from pipeline.runtime.cuda.setup import CudaSetup, CudaUnavailable, set_up_or_processor
from pipeline.runtime.jittor_cache import OneDnn, jittor_folder, load_globally, python_config
from pipeline.runtime.onednn import onednn_paths


class JittorStartError(RuntimeError):
    """Jittor cannot be used here; the message says what to do."""


@dataclass(frozen=True)
class JittorSetup:
    """The device, the tools, and the folder of what they compile."""

    compiler: str
    cuda: CudaSetup | None  # None: the processor
    onednn: OneDnn | None
    folder: Path  # Jittor's home, see `jittor_folder`
    notes: tuple[str, ...]  # what makes it slower than it could be, for the user


def set_up(device: str, threads: int) -> JittorSetup:
    """Choose device and tools, and set the environment for them, before Jittor is imported.

    Args:
        device: as for `start_jittor.start`.
        threads: threads of the CPU kernels.

    Raises:
        JittorStartError: the compiler is missing, or `device` names a missing GPU.
        OSError: no folder can hold compiled code.
    """
    compiler = _find_compiler()
    cuda, notes = _choose_device(device, compiler)
    onednn, onednn_notes = _choose_onednn()
    os.environ["HSSL_CACHE"] = str(cache_root())  # HOME changes below; later calls and children must agree
    _set_cuda_environment(cuda)
    folder = jittor_folder(compiler, onednn=onednn, cuda=cuda.identity if cuda else None)
    setup = JittorSetup(compiler, cuda, onednn, folder, (*notes, *onednn_notes))
    _set_environment(setup, threads)
    return setup


def _find_compiler() -> str:
    compiler = shutil.which(os.environ.get("cc_path") or "g++")  # noqa: SIM112  Jittor's own name
    if compiler is None:
        raise JittorStartError("no C++ compiler: g++ is not on PATH (Debian, Ubuntu: apt-get install g++)")
    return compiler


def _choose_device(device: str, compiler: str) -> tuple[CudaSetup | None, tuple[str, ...]]:
    """The CUDA setup, or None for the processor; and notes for the user."""
    try:
        return set_up_or_processor(device, compiler)
    except CudaUnavailable as problem:
        raise JittorStartError(str(problem)) from problem


def _choose_onednn() -> tuple[OneDnn | None, tuple[str, ...]]:
    slower = "running on without oneDNN, several times slower"
    found = onednn_paths()
    if found is None:
        remedy = "python -m pip install 'onednn-cpu-gomp<2023' 'onednn-devel-cpu-gomp<2023'"
        return None, (f"oneDNN 2 is not installed; {slower} (x86-64 Linux: {remedy})",)
    try:
        load_globally(found[1])
    except OSError as error:
        return None, (f"oneDNN cannot be loaded ({error}); {slower}",)
    return found, ()


def _set_cuda_environment(cuda: CudaSetup | None) -> None:
    """Add the compilers' flags for a GPU to the user's own; remove them for the processor."""
    names = ("cc_flags", "NVCC_APPEND_FLAGS", "conv_opt")
    if cuda is None:
        environment.restore(names)  # a parent may have been started on a card
        return
    use_card(cuda.card)
    given = {name: environment.original(name) for name in names}
    environment.change(
        {
            "cc_flags": f"{given['cc_flags'] or ''} {cuda.cc_flags}".strip(),
            "NVCC_APPEND_FLAGS": f"{given['NVCC_APPEND_FLAGS'] or ''} {cuda.nvcc_flags}".strip(),
            # cuBLAS and cuRAND only: cuDNN, cuFFT and cuSPARSE would each end the process where missing.
            "conv_opt": "1",
        }
    )


def _set_environment(setup: JittorSetup, threads: int) -> None:
    """Set the environment variables, the only way to set Jittor up; its child processes read them again."""
    os.environ.pop("JITTOR_HOME", None)  # Jittor would write it into the user's home for every later run
    os.environ.update(
        HOME=str(setup.folder),
        cc_path=setup.compiler,
        nvcc_path=str(setup.cuda.toolkit.nvcc if setup.cuda else ""),
        python_config_path=str(python_config(setup.folder)),
        use_mkl="1" if setup.onednn else "0",
        cache_name="default",  # else the git branch that the virtual environment happens to lie in
        gdb_path="",  # else a crash starts a debugger
        use_cutlass="0",  # these two would be downloaded, and nothing here uses them
        use_cutt="0",
        FIX_TORCH_ERROR="0",  # else an installed PyTorch is imported too
        OMP_NUM_THREADS=str(threads),
    )
    os.environ.setdefault("log_silent", "1")
    os.environ.update(use_mpi="0", use_nccl="0")  # NCCL would be downloaded and built
