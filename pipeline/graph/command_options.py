"""Options of the command line, `name=value`; misspelt ones are refused, since doit ignores them."""

import os
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import pairwise

from pipeline.config.experiment import Experiment

OPTIONS = (
    "experiment", "experiments", "arm", "seed", "data", "out", "format", "patches", "task", "run", "overlays",
    "score", "by", "hours", "of", "delete", "rows", "repeats", "profile", "size", "device", "shard_mib",
    "executor", "deep", "step", "stage", "results",
)  # fmt: skip

# Options of a single command: given to another they would have no effect.
_OF_ONE = {
    "hours": "init", "experiments": "compare", "by": "compare", "of": "plan", "deep": "doctor",
    "delete": "gc", "step": "replay", "stage": "replay", "shard_mib": "shard", "results": "benchmark",
}  # fmt: skip


def stages_at_once(arguments: Sequence[str], experiment: Experiment, executor: str = "local") -> int:
    """Number of stages that doit runs at once: N of `-n N` in its own arguments, or the experiment's setting.

    Args:
        executor: its name; the experiment has no such setting for stages that run elsewhere.

    Raises:
        ValueError: a number below 0, with which doit would run nothing and call it done.
    """
    given = _number_of_option(arguments)
    if given is not None or executor != "local":
        return given or 1
    return min(experiment.executor.local.stages_at_once, len(os.sched_getaffinity(0)))


def _number_of_option(arguments: Sequence[str]) -> int | None:
    found = None
    for argument, after in pairwise([*arguments, ""]):
        name, is_long, value = argument.partition("=")
        if argument in ("-n", "--process"):
            value = after
        elif argument.startswith("-n"):
            value = argument[2:]
        elif not (is_long and name == "--process"):
            continue
        if value.isdecimal():  # doit itself refuses anything else
            found = max(1, int(value))
        elif value.startswith("-") and value[1:].isdecimal():
            raise ValueError(f"-n {value}: expected how many stages may run at once")
    return found


def refuse_unknown(arguments: Sequence[str]) -> None:
    """Check the names of all options among doit's arguments.

    Raises:
        SystemExit: there is no such option, or none of the commands takes it; the message names it and the
            most similar one, or the command that takes it.
    """
    commands = [each.partition(":")[0] for each in arguments if "=" not in each and not each.startswith("-")]
    for before, argument in zip(["", *arguments], arguments, strict=False):
        name, is_option, _ = argument.partition("=")
        if not is_option or argument.startswith("-") or before.startswith("-"):
            continue
        if name in _OF_ONE and "run" in commands and _OF_ONE[name] not in commands:
            raise SystemExit(f"{name}=: an option of `doit run {_OF_ONE[name]}` alone")
        if name in OPTIONS:
            continue
        close = get_close_matches(name, OPTIONS, 1)
        known = f"did you mean {close[0]}=?" if close else f"there are {', '.join(sorted(OPTIONS))}"
        raise SystemExit(f"{name}=: no such option; {known}")
