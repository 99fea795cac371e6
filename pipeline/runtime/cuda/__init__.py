"""Finds CUDA on this machine and sets Jittor up to use it. Nothing here imports Jittor."""

from pipeline.runtime.cuda.cards import installed_driver
from pipeline.runtime.cuda.links import Toolkit, linked
from pipeline.runtime.cuda.setup import best_toolkit
from pipeline.runtime.cuda.toolkits import find_toolkits
from pipeline.runtime.cuda.used import used_setup

__all__ = ["Toolkit", "architecture", "toolkit"]


def toolkit() -> Toolkit | None:
    """The CUDA toolkit that Jittor was started with; before its start, the best one that is installed.

    None if there is none. Without a GPU, the best one for any GPU.
    """
    setup = used_setup()
    if setup is not None:
        return setup.toolkit
    driver = installed_driver()
    card = driver.cards[0] if driver and driver.cards else None
    found = best_toolkit(find_toolkits(), driver, card)
    return None if found is None else linked(found)


def architecture() -> tuple[int, int] | None:
    """Compute capability of the GPU that this process uses, (9, 0) for sm_90.

    Before Jittor's start, that of the first GPU; None if there is no GPU.
    """
    setup = used_setup()
    if setup is not None:
        return setup.card.capability
    driver = installed_driver()
    return driver.cards[0].capability if driver and driver.cards else None
