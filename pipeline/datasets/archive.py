"""Image trees inside .zip and .tar files, read in place: nothing is ever extracted to disk.

Members are found once in the archive's listing; then each is read by its position in the file, which needs
neither the listing nor a lock. A compressed tar has no positions and is read front to back.
"""

import lzma
import os
import stat
import struct
import tarfile
import weakref
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple, TypeVar

from pipeline.datasets.decode import UndecodableImage
from pipeline.datasets.expansion import refuse_expansion
from pipeline.datasets.hidden import is_hidden
from pipeline.datasets.image_names import is_image_name, stem_and_suffix
from pipeline.datasets.layout import Layout
from pipeline.datasets.names_like_classes import names_like_classes
from pipeline.datasets.skipped_files import SkippedFiles
from pipeline.datasets.source import Entry, path_order
from pipeline.datasets.split_words import Role, stated_role, unmatched

Kind = Literal["zip", "tar", "compressed-tar"]
_Read = TypeVar("_Read")

MOST_MEMBERS = 10**8
MOST_LEVELS = 64  # of folders in a member's name
_COMPRESSION_MAGIC = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")
# What Python's readers raise for a damaged archive.
DAMAGED_ARCHIVE = (
    OSError, EOFError, ValueError, TypeError, RuntimeError, ArithmeticError, LookupError, NotImplementedError,
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error,
)  # fmt: skip
_LOCAL_HEADER = struct.Struct("<4s2xHH4xLLL2H")  # magic, flags, method, crc, packed, unpacked, two lengths
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _CHECKSUM_FOLLOWS = 0x1, 0x8  # flag bits


class Member(NamedTuple):
    """An image file in an archive."""

    path: str
    start: int  # byte in the archive: of the local header (zip), of the data (tar)
    size: int  # bytes in the archive
    problem: str | None


def archive_kind(path: Path) -> Kind | None:
    """The kind of archive that a file is, by its contents; None: not an archive."""
    with open(path, "rb") as stream:
        start = stream.read(6)
    if zipfile.is_zipfile(path):
        return "zip"
    is_compressed = start.startswith(_COMPRESSION_MAGIC)
    try:
        is_tar = tarfile.is_tarfile(path)
    except DAMAGED_ARCHIVE:  # raised for a compressed file, whose start has to be unpacked
        is_tar = is_compressed
    if not is_tar:
        return None
    return "compressed-tar" if is_compressed else "tar"


class Archive:
    """The images of one archive; folders have the meanings of `pipeline.datasets.layout`.

    Members without an image's suffix are skipped and counted; hidden ones are skipped. Absolute names, names
    that climb with "..", links and encrypted members are refused with a reason.

    Args:
        parts: `data.parts`.
        are_classes: `data.class_folders`.

    Raises:
        ValueError: the file is not an archive, or is damaged.
    """

    annotation = "class"
    class_names = None

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        parts: Mapping[str, Role] | None = None,
        are_classes: bool = True,
    ) -> None:
        kind = archive_kind(path)
        if kind is None:
            raise ValueError(f"{path}: expected a .zip or .tar archive, found neither")
        self._path = path
        self._kind = kind
        self._max_bytes = max_bytes
        self._parts = parts or {}
        self._are_classes = are_classes
        self._others: list[str] = []  # files that are not images, once the members are listed
        self.access = "sequential" if kind == "compressed-tar" else "random"
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)

    def __reduce__(self):
        return _archive, (self._path, self._max_bytes)

    @cached_property
    def _members(self) -> list[Member]:
        list_members = _zip_members if self._kind == "zip" else _tar_members
        members = list(list_members(self._path, self._others))
        return (
            members if self._kind == "compressed-tar" else sorted(members, key=lambda m: path_order(m.path))
        )

    def suffixes(self) -> Iterator[str]:
        """The suffix of every file that is not hidden, in lower case; "" without one."""
        for name in (*(member.path for member in self._members), *self._others):
            yield stem_and_suffix(name)[1]

    @cached_property
    def _layout(self) -> Layout:
        names = (name for member in self._members for name in member.path.split("/"))
        if unknown := unmatched(self._parts, names):
            raise ValueError(f"{self._path}: data.parts: no folder or image is called {unknown[0]!r}")
        used = (member for member in self._members if member.problem is None and not self._is_unused(member))
        try:
            folders = {_folder(member.path) for member in used}
            return Layout.of(folders, self._parts, are_classes=self._are_classes)
        except ValueError as error:
            raise ValueError(f"{self._path}: {error}") from error

    def _is_unused(self, member: Member) -> bool:
        return bool(self._parts) and stated_role(member.path.rpartition("/")[2], self._parts) == "unused"

    def _split_and_class(self, member: Member) -> tuple[str | None, str | None] | None:
        if self._is_unused(member):
            return None
        return (None, None) if member.problem else self._layout.split_and_class(_folder(member.path))

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Remarks for the user on how the members were read."""
        stems, others = defaultdict(set), defaultdict(list)
        for member in self._members:
            stems[_folder(member.path)].add(PurePosixPath(member.path).stem)
        for name in self._others:
            others[_folder(name)].append(PurePosixPath(name).name)
        skipped_files = SkippedFiles()
        for folder, names in others.items():
            skipped_files.add(folder, names, stems[folder])
        return (*self._layout.notes, *skipped_files.notes(), *self._classes_in_names())

    def _classes_in_names(self) -> list[str]:
        used = [(place, member) for member in self._members if (place := self._split_and_class(member))]
        if not self._are_classes or any(class_name for (_, class_name), _ in used):
            return []
        return names_like_classes(stem_and_suffix(member.path)[0] for _, member in used)

    @cached_property
    def num_outside(self) -> int:
        """Images beside the split folders, or left out by `data.parts`."""
        return sum(self._split_and_class(member) is None for member in self._members)

    def __len__(self) -> int:
        return len(self._members) - self.num_outside

    def entries(self) -> Iterator[Entry]:
        """Every image: in the order of `path_order`, or of the file for a compressed tar."""
        contents = _tar_contents(self._path, self._max_bytes) if self.access == "sequential" else None
        for member in self._members:
            data, late_problem = next(contents) if contents else (None, None)
            place = self._split_and_class(member)
            if place is not None:
                problem = member.problem or late_problem
                yield Entry(member.path, *place, member.start, member.size, data=data, problem=problem)

    def read(self, path: str, start: int, size: int) -> bytes:
        """The bytes of one member, by its position; `path` is not used.

        Raises:
            UndecodableImage: the member is damaged, encrypted, or too large for an image.
        """
        if size > self._max_bytes:
            raise UndecodableImage(_too_large(size, self._max_bytes))
        if self._kind == "zip":
            return self._read_zip_member(start, size)
        return self._read_exactly(start, size)

    def _read_zip_member(self, start: int, size: int) -> bytes:
        header = self._read_exactly(start, _LOCAL_HEADER.size)
        magic, flags, method, crc, _, _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        if magic != b"PK\x03\x04":
            raise UndecodableImage(f"no zip member at byte {start}: the archive is damaged or was changed")
        packed = self._read_exactly(start + _LOCAL_HEADER.size + name_length + extra_length, size)
        data = packed if method == _STORED else _inflated(packed, self._max_bytes)
        if not flags & _CHECKSUM_FOLLOWS and zlib.crc32(data) != crc:
            raise UndecodableImage("zip checksum does not match")
        return data

    def _read_exactly(self, start: int, size: int) -> bytes:
        data = os.pread(self._descriptor, size, start) if start >= 0 else b""
        if len(data) != size:
            raise UndecodableImage(f"archive ends early: expected {size} bytes at {start}, found {len(data)}")
        return data


def _archive(path: Path, max_bytes: int) -> Archive:
    return Archive(path, max_bytes=max_bytes)


def _inflated(packed: bytes, max_bytes: int) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(packed, max_bytes + 1)
    except zlib.error as error:
        raise UndecodableImage(f"damaged zip member: {error}") from error
    if len(data) > max_bytes:
        raise UndecodableImage(f"decompression bomb: inflates to more than {max_bytes} bytes")
    if not inflater.eof:
        raise UndecodableImage("truncated zip member")
    return data


def _zip_members(path: Path, others: list[str]) -> Iterator[Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            listing = archive.infolist()
    except DAMAGED_ARCHIVE as error:
        raise ValueError(f"{path}: damaged zip archive: {error}") from error
    _refuse_many(path, len(listing))
    for info in listing:
        name = _plain_name(info.filename)
        # Not `info.is_dir()`: it raises an IndexError for a member without a name.
        if info.filename.endswith("/") or _is_hidden(name):
            continue
        if not is_image_name(name):
            others.append(name)
            continue
        problem = _problem_with_name(name)
        if stat.S_ISLNK(info.external_attr >> 16):
            problem = "a link, not a file"
        elif info.flag_bits & _ENCRYPTED:
            problem = "encrypted zip member"
        elif info.compress_type not in (_STORED, _DEFLATED):
            problem = f"zip compression method {info.compress_type} (not stored or deflated)"
        yield Member(name, info.header_offset, info.compress_size, problem)


def _tar_files(path: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo, str]]:
    """Every file that is not hidden, with its archive and its cleaned name."""
    is_compressed = archive_kind(path) == "compressed-tar"
    packed_bytes, num_members = path.stat().st_size, 0
    with _read_tar(path, lambda: tarfile.open(path, "r|*" if is_compressed else "r:")) as archive:
        while (info := _read_tar(path, archive.next)) is not None:
            archive.members.clear()  # else tarfile keeps every member in memory
            _refuse_many(path, num_members := num_members + 1)
            if is_compressed:
                refuse_expansion(path, info.offset_data + info.size, packed_bytes)
            name = _plain_name(info.name)
            if not info.isdir() and not _is_hidden(name):
                yield archive, info, name


def _read_tar(path: Path, read: Callable[[], _Read]) -> _Read:
    try:
        return read()
    except DAMAGED_ARCHIVE as error:
        raise ValueError(f"{path}: damaged tar archive: {error}") from error


def _tar_members(path: Path, others: list[str]) -> Iterator[Member]:
    for _, info, name in _tar_files(path):
        if not is_image_name(name):
            others.append(name)
            continue
        problem = _problem_with_name(name)
        if not info.isreg() or info.issparse():
            problem = "a link, a sparse or a special file"
        yield Member(name, info.offset_data, info.size, problem)


def _tar_contents(path: Path, max_bytes: int) -> Iterator[tuple[bytes | None, str | None]]:
    """(bytes, problem) of the members that `_tar_members` lists, in its order."""
    for archive, info, name in _tar_files(path):
        if not is_image_name(name):
            continue
        if info.size > max_bytes:
            yield None, _too_large(info.size, max_bytes)
            continue
        stream = archive.extractfile(info) if info.isreg() and not info.issparse() else None
        yield (None if stream is None else _read_tar(path, stream.read)), None


def _plain_name(name: str) -> str:
    name = name.replace("\\", "/")
    while name.startswith("./"):
        name = name[2:]
    return name


def _is_hidden(name: str) -> bool:
    return any(is_hidden(part) for part in name.split("/") if part != "..")


def _problem_with_name(name: str) -> str | None:
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or parts[0].endswith(":"):
        return "unsafe name: absolute, or climbing out of the archive"
    if len(parts) > MOST_LEVELS:
        return f"unsafe name: {len(parts)} levels, more than {MOST_LEVELS}"
    return None


def _refuse_many(path: Path, num_members: int) -> None:
    if num_members > MOST_MEMBERS:
        raise ValueError(f"{path}: expected at most {MOST_MEMBERS} members, found more")


def _too_large(size: int, max_bytes: int) -> str:
    return f"{size} bytes, more than the {max_bytes} of the largest image allowed"


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
