"""Compiles Jittor's core and the project's kernels beside each other."""

from contextlib import suppress
from threading import Thread

from pipeline.native.build import BuildError
from pipeline.native.cuda.build import build_device_library
from pipeline.native.processor_library import build_processor_library
from pipeline.runtime.cuda.setup import CudaSetup
from pipeline.runtime.jittor_cache import Say, build_once
from pipeline.runtime.jittor_setup import JittorSetup


def compile_core_and_kernels(setup: JittorSetup, say: Say) -> Thread:
    """Compile Jittor's core, and begin to compile the kernels in the thread that is returned.

    Raises:
        JittorBuildError: Jittor's core could not be compiled.
    """
    # One source of the core, its headers and its last link occupy a core each time, while others idle.
    kernels = Thread(target=_compile_kernels, args=(setup.cuda,), daemon=True)
    kernels.start()
    build_once(setup.folder, setup.onednn, say, compiler=setup.compiler, on_device=setup.cuda is not None)
    return kernels


def _compile_kernels(cuda: CudaSetup | None) -> None:
    """Compile the kernels; who loads their library waits for it, or meets the error again and reports it."""
    with suppress(BuildError, OSError):
        if cuda is None:
            build_processor_library()
        else:
            build_device_library(cuda.card.capability, cuda.toolkit)
