"""Parses options of a command, passed on by `doit run`: name=value."""

from collections.abc import Iterable, Sequence
from pathlib import Path


class UsageError(ValueError):
    """A command is invalid; the message shows its syntax."""


def read_options(
    arguments: Iterable[str], *, known: Sequence[str], needed: Sequence[str], usage: str
) -> dict[str, str]:
    """The options by name, without those that have no value.

    Raises:
        UsageError: an option is unknown, or a required one is missing.
    """
    options = dict(argument.partition("=")[::2] for argument in arguments)
    options = {name: value for name, value in options.items() if value}
    if unknown := sorted(options.keys() - set(known)):
        raise UsageError(f"unknown option {unknown[0]}=; {usage}")
    if missing := [name for name in needed if name not in options]:
        raise UsageError(f"missing option {missing[0]}=; {usage}")
    return options


def choice(options: dict[str, str], name: str, choices: Sequence[str], default: str | None = None) -> str:
    """The value of an option with fixed choices.

    Raises:
        UsageError: another value.
    """
    value = options.get(name, default)
    if value not in choices:
        raise UsageError(f"{name}={value}: expected one of {', '.join(choices)}")
    return value


def existing(options: dict[str, str], name: str) -> str:
    """The value of an option that names a file or folder.

    Raises:
        UsageError: it does not exist.
    """
    path = Path(options[name]).expanduser()
    if not path.exists():
        raise UsageError(f"{name}={options[name]}: no such file or folder")
    return str(path)
