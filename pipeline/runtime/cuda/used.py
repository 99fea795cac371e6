"""The GPU and toolkit that this process uses, once Jittor has been started on a GPU."""

from pipeline.runtime.cuda.setup import CudaSetup


class _State:
    setup: CudaSetup | None = None


def used_setup() -> CudaSetup | None:
    """How this process uses CUDA; None before Jittor's start, or if it runs on the processor."""
    return _State.setup


def remember(setup: CudaSetup | None) -> None:
    """Remember the setup; Jittor's start calls this once."""
    _State.setup = setup
