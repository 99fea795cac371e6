"""Compiles Jittor's core, the kernels for the processor, and the rendering of crops, beside each other.

`python -m pipeline.runtime.compile_core DEVICE`. A stage that runs on a card compiles its core itself, as it
alone knows which card it has. A stage also meets again what goes wrong here, and reports it.
"""

import sys
from contextlib import suppress
from threading import Thread

from pipeline.native.build import BuildError
from pipeline.runtime.jittor_cache import JittorBuildError
from pipeline.runtime.start_jittor import JittorStartError, compile_for_processor
from pipeline.transforms import native


def main(device: str) -> None:
    """Compile what is missing, and print what takes long."""
    crops = Thread(target=_compile_rendering_of_crops)
    crops.start()
    with suppress(JittorStartError, JittorBuildError, OSError):
        compile_for_processor(device, say=lambda text: print(text, flush=True))
    crops.join()


def _compile_rendering_of_crops() -> None:
    with suppress(BuildError, OSError):
        native.load()


if __name__ == "__main__":
    main(sys.argv[1])
