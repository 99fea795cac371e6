"""Compiles Jittor's core and the kernels for the processor: `python -m pipeline.runtime.compile_core DEVICE`.

A stage that runs on a card compiles its core itself, as only that one knows which card it has. It also meets
again what goes wrong here, and reports it.
"""

import sys
from contextlib import suppress

from pipeline.runtime.jittor_cache import JittorBuildError
from pipeline.runtime.start_jittor import JittorStartError, compile_for_processor

if __name__ == "__main__":
    with suppress(JittorStartError, JittorBuildError, OSError):
        compile_for_processor(sys.argv[1], say=lambda text: print(text, flush=True))
