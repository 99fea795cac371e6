"""Artifact directories, and the stamps that say whether an artifact is complete and current."""

import fcntl
import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.storage.files import PARTIAL, partial_of, sha256_of_file, sha256_of_json, write_json
from pipeline.storage.leases import lease_holder, leased

STAMP = "stamp.json"
DAMAGED = "damaged.json"  # what `pipeline.storage.verifying` found; the artifact is not to be used
JOB = "job.json"
LOG = "stage.log"
LIVE = "stage.live"  # the line that a running stage keeps redrawing: its progress bar
_RANK_LOG = "stage.rank"  # prefix of the log files of ranks other than 0
RECORD = "experiment.json"
INTERRUPTED = "interrupted"
DATA_SHEETS = "sheets"  # folder in an artifact of `prepare`: pictures of its images


def log_of_rank(rank: int) -> str:
    """Name of the file, beside `LOG`, with the output of a rank other than 0."""
    return f"{_RANK_LOG}{rank}.log"


def artifacts_root(results: Path) -> Path:
    """Folder of all artifacts, which experiments share."""
    return results / "artifacts"


def listing_memo(results: Path, source: str) -> Path:
    """File in which the listing of a data source is cached."""
    return artifacts_root(results) / f".listing-{sha256_of_json(source)[:16]}.json"


def artifact_directory(results: Path, stage: str, fingerprint: str) -> Path:
    """Directory of the artifact of one stage with one fingerprint."""
    return artifacts_root(results) / stage / fingerprint[:16]


def output_records(directory: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of every output in `directory`, by relative name."""
    return {
        path.relative_to(directory).as_posix(): {"size": path.stat().st_size, "sha256": sha256_of_file(path)}
        for path in sorted(directory.rglob("*"))
        if path.is_file() and _is_output(path, directory)
    }


def _is_output(path: Path, directory: Path) -> bool:
    relative = path.relative_to(directory)
    if relative.as_posix() in (STAMP, DAMAGED, JOB, LOG, LIVE) or is_leftover(path):
        return False
    if relative.as_posix().startswith(_RANK_LOG):
        return False
    return not any(part.startswith("checkpoint") for part in relative.parts)


def is_leftover(path: Path) -> bool:
    """Whether a file or folder is half written, left by a killed process: ours, or one of safetensors."""
    return path.suffix == PARTIAL or path.name.startswith(".tmp")


def write_stamp(directory: Path, values: dict[str, Any]) -> None:
    """Write an artifact's stamp, with a digest of itself; the artifact then counts as complete."""
    write_json(directory / STAMP, {**values, "sha256": sha256_of_json(values)})


def read_stamp(directory: Path) -> dict[str, Any] | None:
    """The stamp of an artifact; None if it is missing or unreadable."""
    try:
        stamp = json.loads((directory / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    outputs = stamp.get("outputs") if isinstance(stamp, dict) else None
    if not isinstance(outputs, dict):
        return None
    usable = (_is_below(name) and isinstance(record, dict) for name, record in outputs.items())
    return stamp if all(usable) else None


def _is_below(name: str) -> bool:
    """Whether a relative name stays within its folder."""
    return bool(name) and not name.startswith("/") and ".." not in name.split("/")


def fault(directory: Path, fingerprint: str) -> str | None:
    """Why the artifact cannot be used as it is; None if it is complete and has this fingerprint."""
    if (directory / DAMAGED).exists():
        return f"found damaged, see {DAMAGED}"
    stamp = read_stamp(directory)
    if stamp is None:
        return INTERRUPTED if (directory / JOB).exists() else "never run"
    if stamp.get("fingerprint") != fingerprint:
        return f"{STAMP} is of another fingerprint"
    for name, record in stamp["outputs"].items():
        try:
            size = (directory / name).stat().st_size
        except OSError:
            return f"output {name} is missing"
        if size != record.get("size"):
            return f"output {name} has {size} bytes, its stamp says {record.get('size')}"
    return None


def content_of(stamp: dict[str, Any]) -> str:
    """Digest of an artifact's content: the one that the stage returned, else that of its outputs' records."""
    return stamp.get("content") or sha256_of_json(stamp["outputs"])


@contextmanager
def locked(directory: Path, waiting: Callable[[str], None] | None = None) -> Iterator[tuple[int, bool]]:
    """Hold the artifact's lock: only one process at a time makes or deletes an artifact.

    The lock file lies beside the directory. A stage inherits its descriptor, so the lock is held as long as
    the stage runs, even if the process that started it was killed. Some shared filesystems do not lock across
    hosts, so a lease is held as well.

    Args:
        directory: the artifact's directory.
        waiting: called with a description of the holder before waiting for it.

    Yields:
        Descriptor of the lock, and whether another process held it first.
    """
    path = directory.with_name(directory.name + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    waited = False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waiting and not waited:
                    waiting(holder(directory) or "another process")
                waited = True
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _same_file(descriptor, path):  # else its holder deleted it: there is a new one to lock
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"process {os.getpid()} on {platform.node()}".encode(), 0)
                with leased(_lease(directory), waiting or (lambda owner: None)) as waited_for_host:
                    yield descriptor, waited or waited_for_host
                return
        finally:
            os.close(descriptor)


def holder(directory: Path) -> str | None:
    """Description of the process that holds the artifact's lock, on any host; None if none does."""
    path = directory.with_name(directory.name + ".lock")
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return lease_holder(_lease(directory))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"
    finally:
        os.close(descriptor)
    return lease_holder(_lease(directory))


def _lease(directory: Path) -> Path:
    return directory.with_name(directory.name + ".lease")


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def record_experiment(
    results: Path, name: str, *, config: dict[str, Any], artifacts: dict[str, Path], argument: str = ""
) -> None:
    """Record which artifacts an experiment uses, and link them in `results/<name>/artifacts/`.

    Args:
        results: the results folder.
        name: the experiment's name.
        config: the resolved experiment.
        artifacts: link name, `<stage>-<node>` -> artifact directory. Links of other names are removed.
        argument: what names the experiment: see `folder_owner.recorded_argument`.
    """
    folder = results / name / "artifacts"
    folder.mkdir(parents=True, exist_ok=True)
    relative = {link: path.relative_to(results).as_posix() for link, path in artifacts.items()}
    record = {"argument": argument, "experiment": config, "artifacts": relative}
    target = results / name / RECORD
    if recorded_experiment(results, name) != record:
        write_json(target, record)
    place_links(folder, {link: results / path for link, path in relative.items()})


def recorded_experiment(results: Path, name: str) -> dict[str, Any]:
    """An experiment's record, as `record_experiment` wrote it; empty if it cannot be read."""
    try:
        record = json.loads((results / name / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def recorded(results: Path, name: str) -> dict[str, Path]:
    """Link name -> artifact directory, from an experiment's record; empty if it cannot be read."""
    try:
        artifacts = recorded_experiment(results, name)["artifacts"]
        return {link: results / relative for link, relative in artifacts.items()}
    except (LookupError, TypeError, AttributeError):
        return {}


def place_links(folder: Path, targets: dict[str, Path]) -> None:
    """Make `folder` hold exactly these links, by name; other links are removed.

    Another run may do the same at this moment: its temporary links are left alone.
    """
    if folder.is_dir():
        for link in folder.iterdir():
            if link.is_symlink() and link.name not in targets and link.suffix != PARTIAL:
                link.unlink(missing_ok=True)
    for name, target in targets.items():
        place_link(folder / name, target)


def place_link(link: Path, target: Path) -> None:
    """Make `link` a relative symbolic link to `target`, replacing an older link in one step."""
    wanted = os.path.relpath(target, link.parent)
    try:
        if os.readlink(link) == wanted:
            return
    except OSError:
        pass  # absent, maybe removed by another run at this moment
    link.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(link)
    partial.unlink(missing_ok=True)
    partial.symlink_to(wanted)
    os.replace(partial, link)


def referenced(results: Path) -> set[Path]:
    """Directories of all artifacts that an experiment's record refers to."""
    found = set()
    for path in results.glob(f"*/{RECORD}"):
        try:
            artifacts = json.loads(path.read_text(encoding="utf-8"))["artifacts"]
        except (ValueError, KeyError) as error:
            raise ValueError(
                f"{path}: not an experiment's record ({error}); run the experiment again"
            ) from error
        found.update(results / relative for relative in artifacts.values())
    return found
