"""Files that are written atomically: whole or not at all."""

import csv
import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PARTIAL = ".partial"  # suffix of files and folders that are not yet in place


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; move it onto `target` if the block succeeds.

    A reader sees the old file or the new one, never half of it, even after SIGKILL or with a full disk.

    Raises:
        OSError: writing failed; the message names `target`. Also in place of safetensors' own error type.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(target)
    try:
        yield partial
        with open(partial, "rb") as stream:
            os.fsync(stream.fileno())
        os.replace(partial, target)
    except BaseException as error:
        with suppress(OSError):  # the first error is the one to report
            partial.unlink(missing_ok=True)
        # The error of a failed write names no file.
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            raise OSError(error.errno, f"{error.strerror} while {target} was written") from error
        # By its name, as safetensors need not be installed here; its errors name no file either.
        if type(error).__name__ == "SafetensorError" and "os error" in str(error):
            raise OSError(f"{target}: {error}") from error
        raise


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `target`, which becomes `target` if the block succeeds.

    For content that does not depend on the process that makes it: if another was faster, its folder stays.
    """
    partial = partial_of(target)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o700)
    try:
        yield partial
        try:
            partial.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def partial_of(target: Path) -> Path:
    """Temporary path beside `target`, different for every thread and process."""
    return target.with_name(f"{target.name}.{os.getpid()}-{threading.get_ident()}{PARTIAL}")


def without_partial(name: str) -> str:
    """The name of a file in place of its temporary one by `partial_of`; any other text as it is."""
    return re.sub(rf"\.[0-9]+-[0-9]+{re.escape(PARTIAL)}\b", "", name)


def write_text(target: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replacing(target) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(target: Path, value: Any) -> None:
    """Write `value` as JSON, whole or not at all.

    Raises:
        ValueError: `value` holds NaN or an infinity, which JSON cannot hold.
    """
    write_text(target, json.dumps(value, indent=1, allow_nan=False) + "\n")


def write_csv(target: Path, rows: Iterable[Sequence]) -> None:
    """Write rows of values as CSV, whole or not at all."""
    with replacing(target) as partial, open(partial, "w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: the file is not JSON; the message names it.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a JSON file ({error})") from error


def sha256_of_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes, read in blocks."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_of_json(value: Any) -> str:
    """Hexadecimal SHA-256 of a value's canonical JSON: equal values give equal digests."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
