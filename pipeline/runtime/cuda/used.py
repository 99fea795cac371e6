"""The card and toolkit that this process uses, once Jittor was started on a card."""

from pipeline.runtime.cuda.setup import CudaSetup


class _State:
    setup: CudaSetup | None = None


def used_setup() -> CudaSetup | None:
    """None before the start, and where Jittor runs on the processor."""
    return _State.setup


def remember(setup: CudaSetup | None) -> None:
    """Called by the start of Jittor, once."""
    _State.setup = setup
