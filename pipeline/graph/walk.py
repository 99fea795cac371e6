"""Walks a graph."""

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

Vertex = TypeVar("Vertex", bound=Hashable)


def reachable(start: Iterable[Vertex], neighbours: Callable[[Vertex], Iterable[Vertex]]) -> set[Vertex]:
    """`start` and everything reachable from it; `neighbours` is called once for each element."""
    found: set[Vertex] = set()
    waiting = list(start)
    while waiting:
        vertex = waiting.pop()
        if vertex not in found:
            found.add(vertex)
            waiting.extend(neighbours(vertex))
    return found
