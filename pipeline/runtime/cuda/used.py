"""The GPU and toolkit that this process uses, once Jittor has been started on a GPU."""

from pipeline.runtime.cuda.setup import CudaSetup


class _State:
    setup: CudaSetup | None = None


def used_setup() -> CudaSetup | None:
    """The CUDA setup of this process; None before Jittor's start, or if it runs on the processor."""
    return _State.setup


def remember(setup: CudaSetup | None) -> None:
    """Store the setup; called once, by Jittor's start."""
    _State.setup = setup
