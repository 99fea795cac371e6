"""A cheap digest of a source, which changes with its files, without reading images. Standard library only."""

import hashlib
import os
import time
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets.image_names import LIST_SUFFIXES, is_image_name
from pipeline.datasets.tables.shard_names import expanded, is_pattern
from pipeline.datasets.tree import walk
from pipeline.storage.memos import read_memo, write_memo
from pipeline.storage.remote_paths import is_url

if TYPE_CHECKING:
    from pipeline.config.data import DataConfig

TRUSTED_ABOVE = 20_000  # files
_SETTLED_NS = 2 * 10**9  # a folder changed more recently could change again within its clock's resolution


def listing_digest(config: "DataConfig", memo: Path) -> str:
    """Digest of path, size and modification time of all files of a source.

    For a file: its own, and for a list of images those of everything in its folder. For a folder: those of
    every file below it that is not hidden. For a pattern of shards: those of the shards. For photo-scenes:
    the versions of the packages with the photographs. For a URL: the URL alone, because every command would
    wait for its server; changed content is noticed only when the URL or the experiment changes.

    In a folder of more than 20,000 files a second call looks only at folders and at files that are not
    images, such as annotations: a folder's modification time changes when a file in it is added, removed,
    renamed or replaced, but **not** when an image is overwritten in place. Delete `memo` after doing that.

    Args:
        memo: JSON file that keeps the times of a large source's folders and annotations between calls.

    Raises:
        FileNotFoundError: `data.source` does not exist.
    """
    if config.source == "photo-scenes":
        return _digest([f"{name} {metadata.version(name)}" for name in ("scikit-image", "scikit-learn")])
    if is_url(config.source):
        return _digest([config.source])
    path = Path(config.source)
    if is_pattern(config.source):
        return _digest([_facts(shard) for shard in expanded(config.source)])
    if not path.exists():
        raise FileNotFoundError(f"data.source: {path} does not exist")
    if path.is_dir():
        return _remembered(path, memo) or _listed(path, memo)
    if path.suffix.lower() in LIST_SUFFIXES:
        folder = path.parent
        return _digest([_facts(path), _remembered(folder, memo) or _listed(folder, memo)])
    return _digest([_facts(path)])


def _facts(file: Path) -> str:
    status = file.stat()
    return f"{file.name} {status.st_size} {status.st_mtime_ns}"


def _remembered(root: Path, memo: Path) -> str | None:
    """The digest of the last full listing, if no folder and no file except images changed since."""
    known = read_memo(memo)
    if known is None or known.get("root") != str(root.resolve()):
        return None
    for path, mtime_ns in (known["folders"] | known.get("files", {})).items():
        try:
            if os.stat(path).st_mtime_ns != mtime_ns:
                return None
        except OSError:
            return None
    return known["digest"]


def _listed(root: Path, memo: Path) -> str:
    hasher = hashlib.sha256()
    num_files = 0
    folders: dict[str, int] = {}
    others: dict[str, int] = {}  # files that are not images
    for folder, path, files in walk(root):
        folders[path] = os.stat(path).st_mtime_ns
        hasher.update(b"%b\0" % os.fsencode(folder))
        for file in files:
            try:
                status = file.stat()
                facts = f"{status.st_size} {status.st_mtime_ns}"
                if not is_image_name(file.name):
                    others[file.path] = status.st_mtime_ns
            except OSError:
                facts = "unreadable"
            hasher.update(b"%b\0%b\0" % (os.fsencode(file.name), facts.encode()))
            num_files += 1
    digest = hasher.hexdigest()
    with suppress(OSError):  # the folder may not be writable
        memo.unlink()
    is_settled = max([*folders.values(), *others.values()]) < time.time_ns() - _SETTLED_NS
    if num_files > TRUSTED_ABOVE and is_settled:
        write_memo(memo, {"root": str(root.resolve()), "folders": folders, "files": others, "digest": digest})
    return digest


def _digest(lines: list[str]) -> str:
    return hashlib.sha256(os.fsencode("\n".join(lines))).hexdigest()
