"""CUDA on this machine, and how Jittor is brought to use it. Nothing here imports Jittor."""

from pipeline.runtime.cuda.cards import installed_driver
from pipeline.runtime.cuda.links import Toolkit, linked
from pipeline.runtime.cuda.setup import best_toolkit
from pipeline.runtime.cuda.toolkits import find_toolkits
from pipeline.runtime.cuda.used import used_setup

__all__ = ["Toolkit", "architecture", "toolkit"]


def toolkit() -> Toolkit | None:
    """The toolkit that this process was started with; before a start, the best that is installed.

    None where there is none. Without a card it is the best for any card.
    """
    setup = used_setup()
    if setup is not None:
        return setup.toolkit
    driver = installed_driver()
    card = driver.cards[0] if driver and driver.cards else None
    found = best_toolkit(find_toolkits(), driver, card)
    return None if found is None else linked(found)


def architecture() -> tuple[int, int] | None:
    """Compute capability of the card that this process uses, (9, 0) for sm_90.

    Before a start, that of the first card; None where there is no card.
    """
    setup = used_setup()
    if setup is not None:
        return setup.card.capability
    driver = installed_driver()
    return driver.cards[0].capability if driver and driver.cards else None
