"""Gathers stages that become ready together, such as several seeds of one, into a job array."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass
class _Group(Generic[Item, Answer]):
    items: list[Item] = field(default_factory=list)
    answers: Sequence[Answer] = ()
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)


class Gathering(Generic[Item, Answer]):
    """Collects what several threads want done at about the same time, and does it in one call.

    Args:
        act: called with the items of a group, in order of arrival; returns an answer for each.
        quiet_seconds: a group is complete once nothing has joined it for so long.
        most_seconds: and at the latest so long after it began.
    """

    def __init__(
        self,
        act: Callable[[Sequence[Item]], Sequence[Answer]],
        *,
        quiet_seconds: float,
        most_seconds: float,
    ):
        self._act, self._quiet_seconds, self._most_seconds = act, quiet_seconds, most_seconds
        self._joined = threading.Condition()
        self._open: _Group[Item, Answer] | None = None

    def answer(self, item: Item) -> Answer:
        """Join the current group; return this item's answer, or raise what the call raised."""
        with self._joined:
            group = self._open = self._open or _Group()
            place = len(group.items)
            group.items.append(item)
            self._joined.notify_all()
        if place == 0:
            self._lead(group)
        group.done.wait()
        if group.error is not None:
            raise group.error
        return group.answers[place]

    def _lead(self, group: _Group[Item, Answer]) -> None:
        try:
            with self._joined:
                end, known = time.monotonic() + self._most_seconds, 0
                while known < len(group.items) and time.monotonic() < end:
                    known = len(group.items)
                    left = min(self._quiet_seconds, end - time.monotonic())
                    self._joined.wait_for(lambda known=known: len(group.items) > known, left)
                self._open = None
            group.answers = self._act(group.items)
        except BaseException as error:
            group.error = error
        finally:
            group.done.set()
