"""Unexpected values and bytes, and the check that a reader accepts them correctly or refuses them clearly."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from pipeline.graph.stage_runner import is_refusal

# Wrong types, limits of floats and of integers in JSON and C, and texts with a meaning elsewhere.
STRANGE = st.one_of(
    st.sampled_from(
        [
            None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**400, 0.5, -0.0, 1e308,
            float("nan"), float("inf"), "", " ", "\x00", "0", "1e5", "nan", "../x", "/etc/hostname", "C:\\x",
            "x" * 5000, "é\u202e\ud800", [], {}, [[]], [None], {"": None}, [1, 2], ["a", "a"],
        ]
    ),
    st.integers(), st.text(max_size=20), st.lists(st.integers(), max_size=4),
    st.floats(allow_subnormal=False),  # another test may have loaded Jittor, which flushes them to zero
)  # fmt: skip


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Every place in a value of JSON, itself among them."""
    yield path
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(each, (*path, key))


def replaced(value: Any, path: tuple, new: Any) -> Any:
    """A copy of a JSON value with another value at one path."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@st.composite
def changed_json(draw: st.DrawFn, text: str) -> bytes:
    """JSON text with strange values at up to two paths."""
    value = json.loads(text)
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(list(places(value))))
        value = replaced(value, path, draw(STRANGE))
    return json.dumps(value).encode()


@st.composite
def changed_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes with up to three flips, cuts, insertions, repetitions, or an early end."""
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(content)))
        length = draw(st.sampled_from([1, 2, 8, 100]))
        kind = draw(st.sampled_from(["flip", "cut", "insert", "repeat", "end", "zero"]))
        before, middle, after = content[:place], content[place : place + length], content[place + length :]
        if kind == "flip" and middle:
            middle = bytes([middle[0] ^ 1 << draw(st.integers(0, 7))]) + middle[1:]
        elif kind == "insert":
            middle = draw(st.binary(min_size=1, max_size=9)) + middle
        elif kind == "repeat":
            middle = middle * 3
        elif kind == "zero":
            middle = bytes(len(middle))
        content = before if kind == "end" else before + after if kind == "cut" else before + middle + after
    return content


def right_or_refused(act: Callable[[], Any], root: Path) -> Any:
    """The result of `act`; None if it refuses its input with a message that says where.

    Raises:
        Exception: any other error, which is a bug; or a refusal that does not name `root`.
    """
    try:
        return act()
    except Exception as error:
        if not is_refusal(error):
            raise
        told = str(error)
    assert str(root) in told, f"does not say where: {told}"
    return None
