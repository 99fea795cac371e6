"""Chooses the GPU that a process computes on: "cuda" is the first visible one, "cuda:N" has index N."""

import os
from collections.abc import Sequence

from pipeline.runtime.cuda.driver import Card, Driver, driver
from pipeline.runtime.environment import change, original

VISIBLE = "CUDA_VISIBLE_DEVICES"


class NoSuchCard(RuntimeError):
    """The requested GPU does not exist, or there is none; the message says how many there are."""


def installed_driver() -> Driver | None:
    """The CUDA driver with the GPUs that the user left visible; None without a driver."""
    return driver(original(VISIBLE))


def card_index(device: str) -> int | None:
    """N of "cuda:N"; None for any other device."""
    _, _, index = device.partition(":")
    return int(index) if index else None


def choose_card(device: str) -> Card:
    """The GPU that "auto", "cuda" or "cuda:N" means.

    Raises:
        NoSuchCard: there is no driver, no GPU, or no GPU with that index.
    """
    found = installed_driver()
    if found is None:
        raise NoSuchCard("no CUDA driver was found (libcuda.so.1 is missing)")
    if not found.cards:
        raise NoSuchCard(f"no working GPU was found: {found.problem}")
    index = card_index(device)
    if index is None:
        index = _inherited_index()
    if index >= len(found.cards):
        visible = original(VISIBLE)
        among = "" if visible is None else f" ({VISIBLE} is {visible!r})"
        count = len(found.cards)
        raise NoSuchCard(f"there are {count} card(s), with the indices 0 to {count - 1}, not {index}{among}")
    return found.cards[index]


def use_card(card: Card) -> None:
    """Leave only this GPU visible to this process and its children. Call before the driver is initialised."""
    entry = _entries(card.index + 1)[card.index]
    if os.environ.get(VISIBLE) != entry:
        change({VISIBLE: entry})


def cards_of_ranks() -> tuple[Card, ...]:
    """The GPUs that this process's ranks share: those that a parent process chose, else all visible ones.

    Raises:
        NoSuchCard: there is no driver, or no GPU.
    """
    choose_card("auto")  # refuses where there is none
    cards = installed_driver().cards
    if os.environ.get(VISIBLE) == original(VISIBLE):
        return cards
    entries = _entries(len(cards))
    chosen = [entry for entry in os.environ[VISIBLE].split(",") if entry in entries]
    return tuple(cards[entries.index(entry)] for entry in chosen) or cards


def variables_for_cards(indices: Sequence[int]) -> dict[str, str]:
    """Values for `environment.changed` with which a child process takes these GPUs.

    "auto" and "cuda" mean the only one, or each rank takes one of them.
    """
    entries = _entries(max(indices) + 1)
    return {VISIBLE: ",".join(entries[index] for index in indices)}


def _inherited_index() -> int:
    """Index of the GPU that a parent process chose, which "cuda" means in this process too; else 0."""
    entries = _entries(len(installed_driver().cards))
    chosen = os.environ.get(VISIBLE)
    return entries.index(chosen) if chosen != original(VISIBLE) and chosen in entries else 0


def _entries(count: int) -> list[str]:
    """The entry in CUDA_VISIBLE_DEVICES of each of the first `count` GPUs."""
    visible = original(VISIBLE)
    if visible is None:
        return [str(index) for index in range(count)]
    return [entry.strip() for entry in visible.split(",")]
