"""Records which job of Slurm makes an artifact, in a file beside the artifact's directory."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.storage.files import read_json, sha256_of_json, write_json


@dataclass(frozen=True)
class JobRecord:
    """The job submitted for an artifact."""

    name: str  # of the job; used to find it if its number was not recorded
    job_id: str | None = None  # of an element "<array's number>_<element>"
    element: int | None = None  # its number in the array of that name, counted from 0; None: not an array

    def is_of(self, job_id: str) -> bool:
        """Whether a job of this name with this number is the one that was submitted."""
        return self.element is None or job_id.partition("_")[2] == str(self.element)


def job_name(directory: Path) -> str:
    """Name of the job that makes an artifact: stage, fingerprint, and a digest of the results folder."""
    place = sha256_of_json(str(directory.resolve()))[:8]
    return f"{directory.parent.name}-{directory.name}-{place}"


def array_name(directories: Sequence[Path]) -> str:
    """Name of the job array that makes several artifacts of one stage: the stage, and a digest of all."""
    first, names = directories[0], [job_name(directory) for directory in directories]
    return f"{first.parent.name}-array-{sha256_of_json(names)[:16]}"


def job_output(directory: Path, job_id: str) -> Path:
    """File for the output of an artifact's job; with `%j` or `%A_%a` as number, Slurm's pattern."""
    return jobs_folder(directory) / f"{job_id}.out"


def jobs_folder(directory: Path) -> Path:
    """Folder for the scripts and the output of jobs, in the results folder of an artifact."""
    return directory.resolve().parents[2] / "slurm"


def read_record(directory: Path) -> JobRecord | None:
    """The record of an artifact's job; None if there is none.

    Raises:
        ValueError: the file is not such a record.
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
    """Record which job makes an artifact."""
    write_json(record_path(directory), asdict(record))


def remove_record(directory: Path) -> None:
    """Remove the record of a job that is known to be over."""
    record_path(directory).unlink(missing_ok=True)


def record_path(directory: Path) -> Path:
    """The record's file."""
    return directory.with_name(directory.name + ".slurm.json")
