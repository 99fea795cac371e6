"""Keeps a SHA-256 beside every compiled library; a damaged library is compiled again.

Jittor writes a library in place and trusts any file that exists. A killed run leaves it truncated, a bad disk
corrupted: every later run that needs it would crash, or compute something else.
"""

import atexit
import os
import re
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.runtime.cache import BUILT, cache_root
from pipeline.storage.files import sha256_of_file

DIGEST = ".sha256"  # suffix of a digest's file, in the format of `sha256sum`
_LINKING_SECONDS = 10.0  # a library that did not change for so long is no longer being written
_HEADER_BYTES = 64
# Files whose modification times are those of the last check of new libraries, and of the last check of all.
_CHECKED, _ALL_READ = "libraries-checked", "libraries-read"
_READ_AGAIN_SECONDS = 3600.0
_DIGEST = re.compile(r"([0-9a-f]{64})  ")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Libraries:
    """The result of comparing all compiled libraries with their digests."""

    num_whole: int  # their digests are those of when they were compiled
    num_new: int  # complete, without a digest before
    damaged: dict[Path, str]  # library -> what is wrong

    def __str__(self) -> str:
        new = f"; {self.num_new} without a digest have one now" if self.num_new else ""
        if not self.damaged:
            return f"{self.num_whole} compiled libraries, all as compiled{new}"
        path, why = next(iter(self.damaged.items()))
        more = f", and {len(self.damaged) - 1} more" if len(self.damaged) > 1 else ""
        return f"{path}: {why}{more}; the other {self.num_whole} are as compiled{new}"


def read_all() -> Libraries:
    """Read every library in the cache of compiled code.

    One that is damaged stays, for the next start to remove it; it is compiled again when it is needed.

    Raises:
        OSError: no folder can hold compiled code.
    """
    root, damaged, num_whole, num_new = cache_root(), {}, 0, 0
    # Nothing is read from a home whose core is still being compiled, or never will be: a start makes it anew.
    built = [mark.parent for mark in (root / "jittor").glob(f"*/{BUILT}")]
    homes = [(home, [*_of_core(home), *_operators(home)]) for home in built]
    for folder, libraries in [*homes, (root / "native", _native(root / "native"))]:
        found = {}
        for path in libraries:
            with suppress(FileNotFoundError):  # another process removed it
                had_digest, why = _kept(path) is not None, _wrong(path, trusted=True)
                if why:
                    found[path] = why
                else:
                    num_whole, num_new = num_whole + had_digest, num_new + (not had_digest)
        if found:
            with suppress(OSError):
                (folder / _ALL_READ).write_text("")  # names no start of the machine: all are read again
        damaged |= found
    return Libraries(num_whole, num_new, damaged)


def check_jittor(folder: Path, say: Say) -> bool:
    """Remove damaged operators from Jittor's home `folder`, and report them.

    Returns:
        Whether Jittor's core libraries are intact; these are never removed.
    """
    core, operators = _of_core(folder), _operators(folder)
    damage = _damage([*core, *operators], folder)
    of_core = {path: why for path, why in damage.items() if path in set(core)}
    for path, why in of_core.items():
        say(f"{path}: {why}; Jittor's core is compiled again")
    _remove({path: why for path, why in damage.items() if path not in of_core}, say)
    return not of_core


def check_native(say: Say) -> None:
    """Remove damaged libraries of this project, and report them."""
    with suppress(OSError):
        folder = cache_root() / "native"
        if folder.is_dir():
            _remove(_damage(_native(folder), folder), say)


def keep_digests(folder: Path) -> None:
    """Write the missing digests of the libraries below `folder` that this process has loaded."""
    with suppress(OSError):
        for line in Path("/proc/self/maps").read_text(errors="replace").splitlines():
            path = Path("/" + line.partition("/")[2])
            ours = path.suffix == ".so" and path.is_relative_to(folder) and path.is_file()
            if ours and _kept(path) is None:
                _keep(path, sha256_of_file(path))


def keep_digests_at_exit() -> None:
    """Call `keep_digests` for all compiled code at exit; if this process is killed, the next one does it."""
    with suppress(OSError):
        atexit.register(keep_digests, cache_root())


def is_torn(path: Path) -> bool:
    """Whether an ELF library is shorter than its header states; other formats count as complete."""
    with open(path, "rb") as stream:
        header = stream.read(_HEADER_BYTES)
        size = stream.seek(0, os.SEEK_END)
    if len(header) < _HEADER_BYTES:
        return True
    if header[:5] != b"\x7fELF\x02":
        return not header.strip(b"\0")
    # The section table comes last in the file; the linker writes its offset when it is done.
    (start,) = struct.unpack_from("<Q", header, 40)
    entry_size, num_entries = struct.unpack_from("<HH", header, 58)
    return start == 0 or size < start + entry_size * num_entries


def _damage(libraries: Iterable[Path], folder: Path) -> dict[Path, str]:
    """Damaged library -> what is wrong.

    Reading 1,500 libraries takes 0.2 s. So all are read once an hour, and after a reboot, which loses what
    was not yet on disk; in between, only those that have changed since the last check.
    """
    started, boot = time.time(), _boot()
    checked, all_read = folder / _CHECKED, folder / _ALL_READ
    first = not all_read.is_file()
    recent = not first and 0 <= started - all_read.stat().st_mtime < _READ_AGAIN_SECONDS
    recent = recent and all_read.read_text(errors="replace") == boot and checked.is_file()
    since = checked.stat().st_mtime - 1 if recent else 0.0
    found = {}
    for path in libraries:
        with suppress(FileNotFoundError):  # another process removed it
            if path.stat().st_ctime >= since and (why := _wrong(path, trusted=first)):
                found[path] = why
    with suppress(OSError):  # a full disk: all are read again
        if not recent:
            all_read.write_text(boot)
        checked.touch()
        os.utime(checked, (started, started))
    return found


def _wrong(path: Path, *, trusted: bool) -> str | None:
    """The difference of a library from its stored digest; None if it is intact.

    Args:
        trusted: whether a library without a digest from before the last reboot counts as intact.
    """
    kept = _kept(path)
    while kept is not None:
        digest = sha256_of_file(path)
        if digest == kept:
            return None
        if not _waited_for_linking(path):
            return f"SHA-256 {digest[:12]}…, expected {kept[:12]}…"
        kept = _kept(path)
    if _stays_torn(path):
        return "half-written, by a run that was killed"
    changed = path.stat().st_ctime
    if not trusted and changed < time.time() - time.clock_gettime(time.CLOCK_BOOTTIME):
        return "no digest, and from before the machine's last start"
    if time.time() - changed >= _LINKING_SECONDS:
        _keep(path, sha256_of_file(path))
    return None


def _kept(path: Path) -> str | None:
    """The digest beside a library; None if it is missing, truncated, or of an earlier compilation."""
    digest = path.with_name(path.name + DIGEST)
    try:
        found = _DIGEST.match(digest.read_text(errors="replace"))
        # Jittor writes this file after each compilation; the project's own libraries have none.
        with suppress(FileNotFoundError):
            if path.with_name(f"{path.name}.key").stat().st_mtime > digest.stat().st_mtime:
                return None
    except FileNotFoundError:
        return None
    return found[1] if found else None


def _keep(path: Path, digest: str) -> None:
    # In place and without fsync, as there may be hundreds: a truncated digest counts as none.
    with suppress(OSError):
        path.with_name(path.name + DIGEST).write_text(f"{digest}  {path.name}\n")


def _remove(damage: dict[Path, str], say: Say) -> None:
    for path in damage:
        for name in (path.name, f"{path.name}.key", path.name + DIGEST):
            path.with_name(name).unlink(missing_ok=True)
    if damage:
        path, why = next(iter(damage.items()))
        more = f", and {len(damage) - 1} more" if len(damage) > 1 else ""
        say(f"{path}: {why}{more}; compiled again when needed")


def _of_core(home: Path) -> list[Path]:
    of_home = {of for jit in _jit(home) for of in (jit.parent, jit.parent.parent)}
    return [each for of in sorted(of_home) for each in _in(of)]


def _operators(home: Path) -> list[Path]:
    return [each for jit in _jit(home) for of in (jit, jit.parent / "custom_ops") for each in _in(of)]


def _jit(home: Path) -> Iterator[Path]:
    """Folders of operators below a home of Jittor."""
    return home.glob(".cache/jittor/jt*/**/jit")


def _in(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        with os.scandir(folder) as entries:
            yield from (Path(entry.path) for entry in entries if entry.name.endswith(".so"))


def _native(folder: Path) -> Iterator[Path]:
    """The project's libraries, in folders named by a digest."""
    for path in folder.glob("*/lib*.so"):
        if re.fullmatch("[0-9a-f]{16}", path.parent.name):
            yield path


def _boot() -> str:
    """The kernel's id of the current boot."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def _stays_torn(path: Path) -> bool:
    try:
        while is_torn(path):
            if not _waited_for_linking(path):
                return True
    except FileNotFoundError:  # its process removed it
        pass
    return False


def _waited_for_linking(path: Path) -> bool:
    """Wait a little if a library is so new that another process may still write it; whether it was."""
    age = time.time() - path.stat().st_mtime
    if not 0 <= age < _LINKING_SECONDS:  # a time to come is another machine's clock
        return False
    time.sleep(min(0.5, _LINKING_SECONDS - age))
    return True
