"""Artifacts to which no experiment refers any more."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.graph.makers import maker
from pipeline.storage.artifacts import artifacts_root, locked, read_stamp, referenced


@dataclass(frozen=True)
class Unreferenced:
    """An artifact without a reference, which may be deleted."""

    directory: Path
    name: str  # "stage:node" from its stamp; the stage alone if it was interrupted
    num_bytes: int
    age_seconds: float


def unreferenced(results: Path) -> list[Unreferenced]:
    """Artifacts to which no `results/*/experiment.json` refers and which nobody is making, largest first.

    Raises:
        ValueError: an experiment's record cannot be read, so any artifact might be in use.
    """
    kept = referenced(results)
    found = []
    for directory in artifacts_root(results).glob("*/*/"):
        if directory in kept or directory.is_symlink() or maker(directory):
            continue
        stamp = read_stamp(directory)
        name = ":".join(filter(None, (directory.parent.name, stamp and stamp.get("name"))))
        size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
        age = time.time() - directory.stat().st_mtime
        found.append(Unreferenced(directory, name if stamp else f"{name} (interrupted)", size, age))
    return sorted(found, key=lambda artifact: -artifact.num_bytes)


def delete(results: Path, artifact: Unreferenced) -> bool:
    """Delete an artifact, unless an experiment now refers to it or somebody is now making it.

    Returns:
        Whether it was deleted.
    """
    directory = artifact.directory
    if maker(directory):
        return False
    with locked(directory):
        if directory in referenced(results):
            return False
        # Rename first, so that an interrupted deletion leaves no half artifact with a stamp.
        doomed = directory.with_name(f".{directory.name}.deleted")
        shutil.rmtree(doomed, ignore_errors=True)
        directory.rename(doomed)
        shutil.rmtree(doomed)
        directory.with_name(directory.name + ".lock").unlink(missing_ok=True)
    return True


def unreferenced_lines(results: Path, *, delete_them: bool) -> list[str]:
    """Delete unreferenced artifacts, or only list them; return lines for the user."""
    lines, freed = [], 0
    for artifact in unreferenced(results):
        gone = delete_them and delete(results, artifact)
        if gone or not delete_them:
            freed += artifact.num_bytes
        state = "deleted" if gone else "kept, it is in use" if delete_them else "unreferenced"
        days = artifact.age_seconds / 86400
        path = artifact.directory.relative_to(results)
        size = f"{artifact.num_bytes / 2**20:9.1f} MiB {days:6.1f} days old"
        lines.append(f"{size}  {state}  {path}  {artifact.name}")
    if not lines:
        return ["every artifact belongs to an experiment"]
    hint = "freed" if delete_them else "could be freed; to delete them: doit run gc delete=yes"
    return [*lines, f"{freed / 2**20:.1f} MiB {hint}"]
