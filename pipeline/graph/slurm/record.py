"""Which job of Slurm makes an artifact: a file beside the artifact's directory, written before the job is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.storage.files import read_json, sha256_of_json, write_json


@dataclass(frozen=True)
class JobRecord:
    """What was submitted for an artifact."""

    name: str  # of the job; it is found by this if its number was not written down
    job_id: str | None = None  # of an element "<array's number>_<element>"
    element: int | None = None  # which one of the array of that name, counted from 0; None: it is no array

    def is_of(self, job_id: str) -> bool:
        """Whether a job of this name, by its number, is the one that was submitted."""
        return self.element is None or job_id.partition("_")[2] == str(self.element)


def job_name(directory: Path) -> str:
    """Name of the job that makes an artifact: the stage, the fingerprint, and which results folder."""
    place = sha256_of_json(str(directory.resolve()))[:8]
    return f"{directory.parent.name}-{directory.name}-{place}"


def array_name(directories: Sequence[Path]) -> str:
    """Name of the array of jobs that makes several artifacts of one stage: the stage, and a digest of all."""
    first, names = directories[0], [job_name(directory) for directory in directories]
    return f"{first.parent.name}-array-{sha256_of_json(names)[:16]}"


def job_output(directory: Path, job_id: str) -> Path:
    """File that the job of an artifact prints into; `%j` or `%A_%a` gives Slurm's pattern."""
    return jobs_folder(directory) / f"{job_id}.out"


def jobs_folder(directory: Path) -> Path:
    """Folder for the scripts and the output of jobs, in the results folder that holds an artifact."""
    return directory.resolve().parents[2] / "slurm"


def read_record(directory: Path) -> JobRecord | None:
    """The record of an artifact's job; None if there is none.

    Raises:
        ValueError: the file is no such record.
    """
    path = record_path(directory)
    try:
        values = read_json(path)
    except FileNotFoundError:
        return None
    try:
        return JobRecord(**values)
    except TypeError as error:
        raise ValueError(f"{path}: a job's record has name, job_id and element, found {values}") from error


def write_record(directory: Path, record: JobRecord) -> None:
    """Write down which job makes an artifact."""
    write_json(record_path(directory), asdict(record))


def remove_record(directory: Path) -> None:
    """Forget a job that is known to be over."""
    record_path(directory).unlink(missing_ok=True)


def record_path(directory: Path) -> Path:
    """The record's file."""
    return directory.with_name(directory.name + ".slurm.json")
