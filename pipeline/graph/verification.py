"""`doit run verify`: every artifact that an experiment refers to, and every checkpoint, is read again."""

from collections.abc import Callable
from pathlib import Path

from pipeline.storage.artifacts import artifacts_root, holder, read_stamp, referenced
from pipeline.storage.verifying import damage, mark


def verify(results: Path, say: Callable[[str], None]) -> int:
    """Compare all artifacts in use with their stamps; what is damaged counts as not made from then on.

    Args:
        results: the results folder.
        say: told of each damage and, at the end, what was read.

    Returns:
        How many artifacts are damaged.
    """
    try:
        used = referenced(results)
    except ValueError as error:
        say(f"{error}; so every artifact is read, in use or not")
        used = set(artifacts_root(results).glob("*/*/"))
    directories = sorted(directory for directory in used if directory.is_dir())
    num_damaged = num_unfinished = 0
    for directory in directories:
        if maker := holder(directory):
            say(f"{_name(directory)}: is being made by {maker}, and was not read")
            continue
        num_unfinished += read_stamp(directory) is None
        found = damage(directory)
        if found and mark(directory, found):
            num_damaged += 1
            for each in found:
                say(f"{_name(directory)}: {directory}/{each}")
        for problem in _damaged_checkpoints(directory):
            say(f"{_name(directory)}: {problem}; if it goes on, it uses the other one")
    unfinished = f", {num_unfinished} of them not finished" if num_unfinished else ""
    say(f"{len(directories)} artifacts read{unfinished}: {num_damaged or 'none'} damaged")
    return num_damaged


def _damaged_checkpoints(directory: Path) -> list[str]:
    from pipeline.training.checkpoint_files import BEFORE, CHECKPOINT, Damaged, read_checkpoint

    found = []
    for path in (directory / CHECKPOINT, directory / BEFORE):
        try:
            if path.is_file():
                read_checkpoint(path)
        except Damaged as error:
            found.append(str(error))
    return found


def _name(directory: Path) -> str:
    """ "stage:node" by the stamp, else the stage and the folder."""
    stamp = read_stamp(directory)
    node = directory.name if stamp is None else stamp.get("name")
    return ":".join(filter(None, (directory.parent.name, node)))
