"""`doit run verify`: reads again every artifact to which an experiment refers, and every checkpoint.

It reads the code that computes them too: compiled libraries, and Jittor's files.
"""

from collections.abc import Callable
from pathlib import Path

from pipeline.runtime.compiled_libraries import read_all
from pipeline.runtime.jittor_files import jittor_files
from pipeline.storage.artifacts import artifacts_root, holder, read_stamp, referenced
from pipeline.storage.verifying import damage, mark


def verify(results: Path, say: Callable[[str], None]) -> int:
    """Compare all artifacts in use with their stamps; damaged ones no longer count as current.

    Args:
        results: the results folder.
        say: called with a line for each damage and, at the end, for what was read.

    Returns:
        Number of damaged artifacts and compiled libraries.
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
            say(f"{_name(directory)}: {problem}: a run that goes on uses the other checkpoint")
    unfinished = f", {num_unfinished} of them not finished" if num_unfinished else ""
    say(f"{len(directories)} artifacts read{unfinished}: {num_damaged or 'none'} damaged")
    return num_damaged + _damaged_code(say)


def _damaged_code(say: Callable[[str], None]) -> int:
    """The number of damaged compiled libraries; files of Jittor, which no run makes again, are only named."""
    try:
        libraries = read_all()
    except OSError:  # no folder for them, so there are none
        return 0
    again = ": what is damaged is compiled again when needed" if libraries.damaged else ""
    say(f"{libraries}{again}")
    of_jittor = jittor_files(content=True)
    if of_jittor.differing:
        say(f"{of_jittor}. Remedy: {of_jittor.remedy}")
    return len(libraries.damaged)


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
    """ "stage:node" from the stamp, else the stage and the folder."""
    stamp = read_stamp(directory)
    node = directory.name if stamp is None else stamp.get("name")
    return ":".join(filter(None, (directory.parent.name, node)))
