"""Jittor's own files beside the list in its wheel: its headers are compiled into every operator.

The list has size and SHA-256 of each file. One that differs is of an installation that was cut off, of a bad
disk, or was edited.
"""

import base64
import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

REMEDY = "python -m pip install --force-reinstall --no-deps jittor=={version}"


@dataclass(frozen=True)
class JittorFiles:
    """The files of Jittor that differ from the list in its wheel (those listed with a size)."""

    version: str
    num_listed: int  # 0: no list; it was not installed from a wheel
    differing: tuple[str, ...]  # "<file>: expected …, found …", those that are not there first
    num_missing: int

    def __str__(self) -> str:
        first, more = self.differing[0], len(self.differing) - 1
        return f"{first}{f', and {more} more of Jittor' if more else ''}"

    @property
    def remedy(self) -> str:
        """A command that puts the files back."""
        return REMEDY.format(version=self.version)


def jittor_files(*, content: bool, installed: metadata.Distribution | None = None) -> JittorFiles:
    """Compare the files with the list.

    Args:
        content: read them all, which takes 0.05 s of processor time; else their sizes alone, 0.02 s.
        installed: a distribution; None: that of `jittor`.

    Raises:
        importlib.metadata.PackageNotFoundError: there is none.
    """
    installed = installed or metadata.distribution("jittor")
    # Without a size: byte code that Python wrote, and the list itself.
    listed = [each for each in installed.files or () if each.size is not None and each.hash is not None]
    missing, others = [], []
    for each in listed:
        path = Path(each.locate())
        try:
            difference = _difference(path, each, content=content)
        except OSError as error:
            missing.append(f"{path}: {error.strerror or error}")
            continue
        if difference:
            others.append(f"{path}: {difference}")
    return JittorFiles(installed.version, len(listed), (*missing, *others), len(missing))


def _difference(path: Path, listed: metadata.PackagePath, *, content: bool) -> str | None:
    size = path.stat().st_size
    if size != listed.size:
        return f"expected {listed.size} bytes, found {size}"
    if content and (found := _digest(path, listed.hash.mode)) != listed.hash.value:
        return f"expected SHA-256 {listed.hash.value[:12]}…, found {found[:12]}…"
    return None


def _digest(path: Path, algorithm: str) -> str:
    """As a wheel's list writes it: base64 of the digest, without padding."""
    digest = hashlib.new(algorithm, path.read_bytes()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
