"""Compiles Jittor's core, the kernels for the processor, and the rendering of crops, beside each other.

`python -m pipeline.runtime.compile_core DEVICE`. A stage that runs on a card compiles its core itself, as it
alone knows which card it has. A stage also meets again what goes wrong here, and reports it.
"""

import os
import sys
from contextlib import suppress
from threading import Thread

from pipeline.native.build import BuildError
from pipeline.runtime.core_and_kernels import compile_core_and_kernels
from pipeline.runtime.jittor_cache import JittorBuildError, Say, is_built
from pipeline.runtime.jittor_setup import JittorStartError, set_up
from pipeline.transforms import native


def main(device: str) -> None:
    """Compile what is missing, and print what takes long."""
    crops = Thread(target=_compile_rendering_of_crops)
    crops.start()
    with suppress(JittorStartError, JittorBuildError, OSError):
        _compile_for_processor(device, say=lambda text: print(text, flush=True))
    crops.join()


def _compile_for_processor(device: str, *, say: Say) -> None:
    """Compile the core and the kernels unless the core is there, or the device is a card."""
    setup = set_up(device, threads=len(os.sched_getaffinity(0)))
    if setup.cuda is None and not is_built(setup.folder):
        compile_core_and_kernels(setup, say).join()


def _compile_rendering_of_crops() -> None:
    with suppress(BuildError, OSError):
        native.load()


if __name__ == "__main__":
    main(sys.argv[1])
