"""The cards of this machine, which stages take, also those of other runs of doit: one, or one for each rank.

Whoever holds a card holds a lock on a file, and the stage that computes on it keeps that file open: the card
becomes free when the stage has ended, even if doit was killed before it, and no sooner.
"""

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.runtime.cuda.cards import VISIBLE, card_index, installed_driver, variables_for_cards
from pipeline.runtime.environment import original

_LOOK_SECONDS = 0.5  # between two checks while all cards are taken
_SAID_BYTES = 200


def cards_to_share(named: Sequence[str]) -> tuple[int, ...]:
    """Indices of the cards in `executor.local.devices`; if none is named, of all that are visible.

    Raises:
        ValueError: a card does not exist.
    """
    driver = installed_driver()
    count = len(driver.cards) if driver is not None else 0
    if not named:
        return tuple(range(count))
    found = tuple(card_index(name) for name in named)
    visible = original(VISIBLE)
    most = count or (len(visible.split(",")) if visible is not None else None)
    for index in found:
        if most is not None and index >= most:
            raise ValueError(
                f"executor.local.devices: cuda:{index} does not exist here, there are {most} card(s)"
            )
    return found


@contextmanager
def cards_taken(
    count: int, wanted: Sequence[int], folder: Path, user: str, waiting: Callable[[str], None]
) -> Iterator[dict[int, int]]:
    """Hold `count` of these cards; wait, with none in hand, while too many are taken.

    Args:
        wanted: indices of `count` cards or more, the preferred ones first.
        folder: of the locks, the same for all runs on this machine.
        user: name of the holder, shown to others that wait.
        waiting: called once, with the holders of the cards, before waiting.

    Yields:
        Index of each card -> a descriptor that keeps it taken as long as any process has it open.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reported = False
    while True:
        taken: dict[int, int] = {}
        try:
            holders = _take(count, wanted, folder, taken)
            if len(taken) == count:
                for descriptor in taken.values():
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, f"{user}, process {os.getpid()}".encode()[:_SAID_BYTES], 0)
                yield taken
                return
        finally:
            for descriptor in taken.values():
                os.close(descriptor)
        if not reported:
            waiting(f"waiting for {'a card' if count == 1 else f'{count} cards'}: {'; '.join(holders)}")
            reported = True
        time.sleep(_LOOK_SECONDS)


def _take(count: int, wanted: Sequence[int], folder: Path, taken: dict[int, int]) -> list[str]:
    """Add up to `count` free cards and their descriptors to `taken`; return who holds the others."""
    holders = []
    for index in wanted:
        if len(taken) == count:
            break
        descriptor = os.open(lock_path(folder, index), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, _SAID_BYTES, 0).decode(errors="replace") or "another stage"
            holders.append(f"cuda:{index} by {holder}")
            os.close(descriptor)
            continue
        taken[index] = descriptor
    return holders


def lock_path(folder: Path, index: int) -> Path:
    """The lock of a card, named as in CUDA_VISIBLE_DEVICES, because indices depend on what is visible."""
    name = variables_for_cards([index])[VISIBLE]
    return folder / f"card-{re.sub(r'[^A-Za-z0-9-]', '_', name)}.lock"
