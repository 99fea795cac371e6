"""Verifies artifacts: reads every output again and compares it with the digest in the stamp."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.storage.artifacts import DAMAGED, STAMP, is_leftover, locked, read_stamp
from pipeline.storage.files import sha256_of_file, sha256_of_json, write_json


@dataclass(frozen=True)
class Damage:
    """A file of an artifact that differs from its stamp."""

    file: str  # relative to the artifact
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.file}: expected {self.expected}, found {self.found}"


def damage(directory: Path) -> list[Damage]:
    """Files of a finished artifact, the stamp included, that are missing or differ from the stamp.

    Where an older stamp has no SHA-256 of an output, sizes are compared. An artifact without a stamp was
    never finished, so nothing in it counts as damaged.
    """
    if not (directory / STAMP).is_file():
        return []
    stamp = read_stamp(directory)
    if stamp is None:
        return [Damage(STAMP, "a stamp", "what cannot be read")]
    found = []
    if wrong := stamp_damage(stamp):
        found.append(Damage(STAMP, *wrong))
    for name, record in stamp["outputs"].items():
        problem = _problem(directory / name, name, record)
        if problem:
            found.append(problem)
    return found


def stamp_damage(stamp: dict[str, Any]) -> tuple[str, str] | None:
    """(expected, found) digest of a stamp; None if they agree, or if an older stamp has none."""
    values = {name: value for name, value in stamp.items() if name != "sha256"}
    try:
        digest = sha256_of_json(values)
    except ValueError as error:  # NaN, which no stamp has
        digest = str(error)
    expected = stamp.get("sha256")
    return None if expected in (None, digest) else (f"SHA-256 {expected}", digest)


def mark(directory: Path, found: list[Damage]) -> bool:
    """Mark an artifact as damaged, so that it is made again. Waits for a process that is making it.

    Returns:
        Whether it was marked; False if it has been made again since.
    """
    with locked(directory):
        if found != damage(directory):
            return False
        write_json(directory / DAMAGED, [asdict(each) for each in found])
    return True


def set_aside(directory: Path) -> None:
    """Turn an artifact into an unfinished one before its stage runs; the caller holds its lock.

    Half-written files of a killed process are deleted. So are damaged outputs, because a resumed stage does
    not write everything again: those of another size always, others only if the artifact was marked.
    """
    if (directory / DAMAGED).exists():
        removed = [each.file for each in damage(directory)]
    else:
        outputs = (read_stamp(directory) or {"outputs": {}})["outputs"]
        removed = [name for name, record in outputs.items() if _wrong_size(directory / name, record)]
    for name in {*removed, STAMP}:
        (directory / name).unlink(missing_ok=True)
    for path in [path for path in directory.rglob("*") if is_leftover(path)]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    (directory / DAMAGED).unlink(missing_ok=True)


def _problem(path: Path, name: str, record: dict) -> Damage | None:
    if wrong := _wrong_size(path, record):
        return Damage(name, f"{record.get('size')} bytes", wrong)
    expected = record.get("sha256")
    if expected is None:
        return None
    digest = sha256_of_file(path)
    return None if digest == expected else Damage(name, f"SHA-256 {expected}", digest)


def _wrong_size(path: Path, record: dict) -> str | None:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return "no file"
    return None if size == record.get("size") else f"{size} bytes"
