"""Results of a run, and their comparison with those of an undisturbed run."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.storage.artifacts import DAMAGED, STAMP, output_records, read_stamp
from pipeline.storage.files import PARTIAL, sha256_of_file
from pipeline.storage.verifying import damage
from tests.toy_stages.project import Project

_GONE_SECONDS = 15.0  # within which all processes of an ended run must be gone


@dataclass(frozen=True)
class Outcome:
    """Everything that a finished experiment consists of, bit by bit."""

    record: dict  # experiment.json: link -> artifact
    outputs: dict[str, dict]  # link -> records of the artifact's outputs, from their bytes
    files: dict[str, str]  # file for people, relative to the experiment's folder -> SHA-256


def outcome(project: Project) -> Outcome:
    """The results of the experiment `my`."""
    results = project.folder / "results"
    record = json.loads((results / "my" / "experiment.json").read_text())
    outputs = {link: output_records(results / path) for link, path in record["artifacts"].items()}
    files = {
        path.relative_to(results / "my").as_posix(): sha256_of_file(path)
        for path in sorted((results / "my").rglob("*"))
        if path.is_file() and path.suffix != PARTIAL and "artifacts" not in path.parts[-2:-1]
    }
    return Outcome(record, outputs, files)


def finished(project: Project, expected: Outcome) -> dict[str, bytes]:
    """Stamps of intact artifacts equal to those of an undisturbed run: their stages must not run again."""
    found = {}
    for link, path in expected.record["artifacts"].items():
        directory = project.folder / "results" / path
        if read_stamp(directory) and not (directory / DAMAGED).exists() and not damage(directory):
            found[link] = (directory / STAMP).read_bytes()
    return found


def differences(project: Project, expected: Outcome, kept: dict[str, bytes]) -> list[str]:
    """Differences from the results of an undisturbed run; empty if there are none.

    Args:
        kept: stamps of stages that had finished before the last run, and so must not run again.
    """
    results = project.folder / "results"
    found = outcome(project)
    problems = []
    for name in ("record", "outputs", "files"):
        one, other = getattr(expected, name), getattr(found, name)
        problems += [
            f"{name}: {key} differs: expected {one.get(key)}, found {other.get(key)}"
            for key in sorted({*one, *other})
            if one.get(key) != other.get(key)
        ]
    for link, path in found.record["artifacts"].items():
        stamp = read_stamp(results / path)
        problems += [f"{link}: {each}" for each in damage(results / path)]
        if stamp is None:
            problems.append(f"{link}: no stamp")
        elif any(name.endswith(PARTIAL) for name in stamp["outputs"]):
            problems.append(f"{link}: a partial file counts as an output")
        elif link in kept and (results / path / STAMP).read_bytes() != kept[link]:
            problems.append(f"{link}: was finished, and ran again")
    return problems


def left_processes(project: Project, besides: int) -> list[str]:
    """Processes of the project's runs that outlive them, after the time in which they should be gone.

    Args:
        besides: a process that is not a run.
    """
    end = time.monotonic() + _GONE_SECONDS
    while (left := _processes(project, besides)) and time.monotonic() < end:
        time.sleep(0.02)
    return left


def _processes(project: Project, besides: int) -> list[str]:
    mark = f"TOY_RUNS={project.runs}\0".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.name == str(besides):
            continue
        try:
            if mark in (folder / "environ").read_bytes() + b"\0":
                found.append(f"{folder.name} {(folder / 'cmdline').read_bytes().decode(errors='replace')}")
        except (OSError, ProcessLookupError):
            continue
    return found
