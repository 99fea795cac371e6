"""Reads plain values from a pickle without unpickling it.

A pickle is a program. Python's own `Unpickler` runs it: even with a restricted `find_class` it calls the
functions found, sets attributes and allocates memory as the program asks. Here the operations of
`pickletools.genops` are interpreted one by one. Supported are operations for plain containers and values, and
calls of a few names, each replaced by a function of this project. No name is ever looked up in a module, so
no foreign code can run; any other operation or name is refused.
"""

import pickletools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from pipeline.weights.error import WeightsError

_MAX_BYTES = 2**24  # of a pickle; it does not hold weights, only their names and shapes, and plain values
_MARK = object()
_LITERALS = {
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING",
    "BINBYTES", "SHORT_BINBYTES",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_KEYS = (str, bytes, int, float, bool, type(None))  # allowed keys of dictionaries: hashed without recursion


class PickleRefused(WeightsError):
    """Not a pickle, or one with more than plain values. The message does not name the file."""


@dataclass(frozen=True)
class Name:
    """Name of a class or function in a pickle, "module.name"; mere text, never looked up."""

    text: str


@dataclass(frozen=True)
class Foreign:
    """Placeholder for an object of an unsupported class, or for a call, that was not read."""

    name: str  # "module.name"


class Attributes(dict):
    """Attributes of an argparse.Namespace, kept as a dictionary."""


class Stateful:
    """An object made by a reader's own function, to which the pickle then gives a state."""

    def set_state(self, state: Any) -> None:
        """Set the state, which is untrusted.

        Raises:
            PickleRefused: the state is not valid.
        """
        raise NotImplementedError


def plain_value(
    stream: BinaryIO,
    calls: dict[str, Callable[..., Any]],
    names: Callable[[str], bool],
    persistent: Callable[[Any], Any],
    *,
    most_bytes: int = _MAX_BYTES,
    leave_out: bool = False,
) -> Any:
    """Read the pickle at the position of `stream`, which is moved to the pickle's end.

    Args:
        stream: a mapped file or `BytesIO`, which never allocates more than it holds.
        calls: name -> function that replaces it: makes a plain value from the call's arguments.
        names: whether a name may appear in the pickle without being called.
        persistent: makes a value from a persistent id.
        most_bytes: of the pickle.
        leave_out: whether objects with other names become `Foreign`; else they are refused.

    Raises:
        PickleRefused: the stream holds no pickle, or one with more than plain values.
    """
    machine = _Machine(calls, names, persistent, leave_out)
    start = stream.tell()
    try:
        # genops warns of odd escapes, in a kind of string that is refused here anyway.
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            for opcode, argument, position in pickletools.genops(stream):
                if position - start > most_bytes:
                    raise PickleRefused(f"a pickle of more than {most_bytes} bytes")
                if opcode.name == "STOP":
                    return machine.pop()
                machine.do(opcode.name, argument)
    except WeightsError:
        raise
    # Raised by genops, or by an operation on an empty stack or a value of the wrong type.
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise PickleRefused(f"a damaged pickle ({_line(error)})") from error
    raise PickleRefused("a pickle without an end")


class _Machine:
    def __init__(self, calls, names, persistent, leave_out):
        self._calls, self._names, self._persistent = calls, names, persistent
        self._leave_out = leave_out
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise PickleRefused("a damaged pickle (a mark where a value is expected)")
        return value

    def do(self, operation: str, argument: Any) -> None:
        """Execute one operation of the pickle."""
        stack = self._stack
        if operation in _LITERALS:
            stack.append(argument)
        elif operation in _CONSTANTS:
            stack.append(_CONSTANTS[operation])
        elif operation in ("PROTO", "FRAME"):
            pass
        elif operation == "MARK":
            stack.append(_MARK)
        elif operation in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[len(self._memo) if operation == "MEMOIZE" else argument] = stack[-1]
        elif operation in ("BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif operation in ("GLOBAL", "STACK_GLOBAL"):
            stack.append(self._name(operation, argument))
        elif operation == "BINPERSID":
            stack.append(self._persistent(self.pop()))
        elif operation in ("REDUCE", "NEWOBJ"):
            stack.append(self._call())
        elif operation == "BUILD":
            self._set_attributes()
        else:
            self._do_container(operation)

    def _do_container(self, operation: str) -> None:
        stack = self._stack
        match operation:
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE":
                stack.append(tuple(self._since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple([self.pop() for _ in range(int(operation[-1]))][::-1]))
            case "APPEND" | "APPENDS":
                values = [self.pop()] if operation == "APPEND" else self._since_mark()
                if not self._of_foreign():
                    self._top(list).extend(values)
            case "SETITEM" | "SETITEMS":
                values = [self.pop(), self.pop()][::-1] if operation == "SETITEM" else self._since_mark()
                if self._of_foreign():
                    return
                target = self._top(dict)
                for key, value in zip(values[::2], values[1::2], strict=True):
                    if not isinstance(key, _KEYS):
                        raise PickleRefused(f"a dictionary with a {type(key).__name__} as key")
                    target[key] = value
            case _:
                raise PickleRefused(f"the pickle operation {operation}, which plain values do not need")

    def _since_mark(self) -> list[Any]:
        values = list(self._until_mark())
        return values[::-1]

    def _until_mark(self) -> Iterator[Any]:
        while (value := self._stack.pop()) is not _MARK:
            yield value

    def _of_foreign(self) -> bool:
        """Whether the container being filled was left out."""
        return isinstance(self._stack[-1], Foreign)

    def _top(self, kind: type) -> Any:
        if not isinstance(self._stack[-1], kind):
            raise PickleRefused(f"a damaged pickle (no {kind.__name__} where one is filled)")
        return self._stack[-1]

    def _name(self, operation: str, argument: Any) -> Name | Foreign:
        if operation == "GLOBAL":
            text = str(argument).replace(" ", ".", 1)
        else:
            name, module = self.pop(), self.pop()
            if not isinstance(name, str) or not isinstance(module, str):
                raise PickleRefused("a damaged pickle (a name that is no text)")
            text = f"{module}.{name}"
        if text not in self._calls and not self._names(text):
            if self._leave_out:
                return Foreign(_line(text))
            raise PickleRefused(f"a {_line(text)}; only plain values and arrays of numbers are read")
        return Name(text)

    def _call(self) -> Any:
        arguments, name = self.pop(), self.pop()
        if isinstance(name, Foreign) and isinstance(arguments, tuple):
            return name
        if not isinstance(name, Name) or name.text not in self._calls or not isinstance(arguments, tuple):
            raise PickleRefused("a call of what is not called in a file of weights")
        return self._calls[name.text](*arguments)

    def _set_attributes(self) -> None:
        """Keep a Namespace's attributes; ignore those of a state dictionary, which do not affect tensors."""
        state = self.pop()
        if isinstance(self._stack[-1], Stateful):
            self._stack[-1].set_state(state)
            return
        if self._of_foreign():
            return
        target = self._top(dict)
        if isinstance(target, Attributes):
            if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
                raise PickleRefused("an argparse.Namespace without names")
            target.update(state)


def _line(value: object) -> str:
    """The text as one line of printable characters."""
    return ascii(str(value))[1:-1][:120]
