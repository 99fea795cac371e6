"""Takes a GPU in a process that does not start Jittor."""

from collections.abc import Callable

from pipeline.runtime.cuda.cards import installed_driver, use_card
from pipeline.runtime.cuda.setup import CudaSetup, CudaUnavailable, set_up


def take_card(device: str, say: Callable[[str], None]) -> CudaSetup | None:
    """Leave this process the GPU that "auto", "cuda" or "cuda:N" means; None if it has to use the processor.

    Args:
        say: prints a line about a GPU that "auto" cannot use.

    Raises:
        CudaUnavailable: there is no such GPU, or no toolkit for it; not with "auto".
    """
    if device == "cpu":
        return None
    try:
        setup = set_up(device)
    except CudaUnavailable as problem:
        if device != "auto":
            raise CudaUnavailable(
                f"device = {device!r}, but {problem} (device = 'cpu' or 'auto' runs on the processor)"
            ) from problem
        driver = installed_driver()
        if driver is not None and driver.cards:
            say(f"{problem}; running on the CPU")
        return None
    use_card(setup.card)
    return setup
