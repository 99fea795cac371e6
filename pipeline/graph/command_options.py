"""Options of the command line, `name=value`: a misspelt one would be passed over in silence."""

from collections.abc import Sequence
from difflib import get_close_matches

OPTIONS = (
    "experiment", "experiments", "arm", "seed", "data", "out", "format", "patches", "task", "run", "overlays",
    "score", "by", "hours", "of", "delete", "rows", "repeats", "profile", "size", "device", "shard_mib",
    "executor", "deep", "step",
)  # fmt: skip


def stages_at_once(arguments: Sequence[str]) -> int:
    """How many stages doit runs at once, by its own arguments: N of `-n N`, else 1."""
    found = 1
    for argument, after in zip(arguments, [*arguments[1:], ""], strict=True):
        name, is_long, value = argument.partition("=")
        if argument in ("-n", "--process"):
            value = after
        elif argument.startswith("-n"):
            value = argument[2:]
        elif not (is_long and name == "--process"):
            continue
        if value.isdecimal():  # what is no number doit refuses itself
            found = max(1, int(value))
    return found


def refuse_unknown(arguments: Sequence[str]) -> None:
    """Check the names of all options among doit's arguments.

    Raises:
        SystemExit: there is no such option; the message names it and the likeliest one meant.
    """
    for before, argument in zip(["", *arguments], arguments, strict=False):
        name, is_option, _ = argument.partition("=")
        if not is_option or argument.startswith("-") or before.startswith("-") or name in OPTIONS:
            continue
        close = get_close_matches(name, OPTIONS, 1)
        known = f"did you mean {close[0]}=?" if close else f"there are {', '.join(sorted(OPTIONS))}"
        raise SystemExit(f"{name}=: no such option; {known}")
