"""Takes a GPU in a process that does not start Jittor."""

from collections.abc import Callable

from pipeline.runtime.cuda.cards import use_card
from pipeline.runtime.cuda.setup import CudaSetup, set_up_or_processor


def take_card(device: str, say: Callable[[str], None]) -> CudaSetup | None:
    """Leave this process the GPU that "auto", "cuda" or "cuda:N" means; None if it has to use the processor.

    Args:
        say: prints a line about a GPU that "auto" cannot use.

    Raises:
        CudaUnavailable: there is no such GPU, or no toolkit for it; not with "auto".
    """
    setup, notes = set_up_or_processor(device)
    for note in notes:
        say(note)
    if setup is not None:
        use_card(setup.card)
    return setup
