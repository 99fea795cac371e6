"""Shards of WebDataset: plain tars in which neighbouring files with the same key form a sample.

A member's key is its path up to the first dot after the last "/", the rest is its field. Hidden members are
skipped, unlike in that package.

Source: the package webdataset 1.0.2, tariterators.base_plus_ext and group_by_keys.
"""

import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline.config.data import DataConfig
from pipeline.datasets.archive import DAMAGED_ARCHIVE, archive_kind
from pipeline.datasets.hidden import is_hidden
from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.listed_images import label_order
from pipeline.datasets.source import Entry, Format, max_file_bytes
from pipeline.datasets.split_words import role_of
from pipeline.datasets.tables.columns import LEFT_OUT
from pipeline.datasets.tables.json_labels import json_label
from pipeline.datasets.tables.label_cells import LabelCells, Labels
from pipeline.datasets.tables.shard_files import ShardFiles
from pipeline.datasets.tables.shard_index import INDEX, read_shard_index
from pipeline.datasets.tables.shard_names import expanded
from pipeline.datasets.tables.shard_samples import Sample, Samples
from pipeline.datasets.text_files import text_of
from pipeline.datasets.tree import walk
from pipeline.storage.remote_paths import is_url

_MEMBER = re.compile(r"((?:.*/)?[^./][^.]*)\.([^/]*)")
_NUMBER = re.compile(r"[-_.]?\d+$")
_NAMES_FILES = ("classnames.txt", "classes.txt", "class_names.txt")
_PEEKED = 32  # members read to tell shards from an archive of images
_MOST_LABEL_BYTES = 2**20
_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


def is_web_shards(path: Path) -> bool:
    """Whether a tar has labels near its start, a folder has tars of samples without images, or an index.

    An image beside a caption is a sample, too; a tar of nothing but images is none, as it may be a class.
    """
    if path.is_file():
        return _has_labels(path)
    if read_shard_index(path) is not None:
        return True
    for _, folder, files in walk(path):
        if any(is_image_name(file.name) for file in files):
            return False
        if tars := [file.name for file in files if file.name.lower().endswith(".tar")]:
            return _holds_samples(Path(folder) / tars[0])
    return False


def read_web_shards(config: DataConfig, path: Path) -> "WebShards":
    """Read a shard, all shards of a folder, or those of a pattern with braces.

    The class is the `.cls` field, else that of a `.json` field, by its key. If classes are integers, their
    names are the lines of classnames.txt beside the shards or above.

    Raises:
        ValueError: no shards, or compressed ones; a sample with two images, with two fields of one name, or
            with an invalid label.
    """
    return WebShards(path, max_bytes=max_file_bytes(config.max_pixels), config=config)


class WebShards:
    """The images of shards; an image's path is `<shard>/<member>`.

    Samples are listed once, front to back, without reading images; then each is read by its position.

    path: a shard, a folder of shards, or a pattern with braces, local or a URL.
        config: for its columns, whose `label` is a key of the `.json` fields, and number of labels per image;
            None: as found.
    """

    access = "random"
    annotation = "class"
    num_outside = 0

    def __init__(self, path: Path, *, max_bytes: float, config: DataConfig | None = None) -> None:
        self._given = (path, max_bytes)
        self._config = config or DataConfig()
        self._stated = dict(self._config.columns)
        self._shards = _shards(path)
        self._files = ShardFiles(path, max_bytes=max_bytes)
        self._root = self._files.root
        self._names = [shard.relative_to(self._root).as_posix() for shard in self._shards]
        self._without_image = 0

    def __reduce__(self):
        # Worker processes read by position and need no list.
        path, max_bytes = self._given
        return _reader, (path, max_bytes)

    @cached_property
    def _samples(self) -> Samples:
        self._check_index()
        found, apart = Samples(), None  # the first key of a label without an image
        for number, shard in enumerate(self._shards):
            for key, fields in _grouped(shard):
                images = [name for name in fields if is_image_name(f"x.{name}")]
                if not images:
                    self._without_image += 1
                    apart = apart or (key if not {"cls", "json"}.isdisjoint(fields) else None)
                elif len(images) > 1:
                    raise ValueError(
                        f"{shard}: {key}: expected one image in a sample, found the fields "
                        f"{', '.join(images[:3])}: a key ends at the first dot of a file's name, so that "
                        "names with dots fall together; write them without"
                    )
                else:
                    found.add(*self._sample(number, key, images[0], fields))
        if apart is not None:
            self._refuse_apart(found, apart)
        return found

    def _refuse_apart(self, samples: Samples, key: str) -> None:
        """Refuse an image and a label of one key that are no neighbours: no reader makes them one sample."""
        for sample, _ in samples:
            match = _MEMBER.fullmatch(sample.image.removeprefix("./"))
            if match and match[1] == key:
                raise ValueError(
                    f"{self._shards[sample.shard]}: expected the files of a sample one after the other, "
                    f"found {sample.image} apart from its label: pack them sorted by name"
                )

    def _check_index(self) -> None:
        """Refuse shards that differ from the index beside them, if there is one."""
        index = read_shard_index(self._root)
        if index is None:
            return
        listed = self._root / INDEX
        for name, shard in zip(self._names, self._shards, strict=True):
            size = shard.stat().st_size
            if name not in index:
                raise ValueError(f"{listed}: does not list {name}, which is beside it")
            if size != index[name].num_bytes:
                raise ValueError(f"{shard}: expected {index[name].num_bytes} bytes by {INDEX}, found {size}")
        if self._root == self._given[0] and (missing := sorted(index.keys() - set(self._names))):
            raise ValueError(f"{listed}: lists {missing[0]}, which is not there")

    def _sample(self, shard: int, key: str, field: str, fields: dict[str, "_Field"]) -> tuple[Sample, str]:
        """One sample, and the name of its label in messages."""
        image = fields[field]
        origin, cell = f"{self._shards[shard]}: {key}", None
        if self._stated.get("label") == "":
            pass  # to be left out
        elif content := _field(fields, "cls"):
            origin = f"{origin}.cls"
            cell = _text(content, origin)
        elif content := _field(fields, "json"):
            origin = f"{origin}.json"
            cell = json_label(content, self._stated, origin)
        return Sample(image.name, image.start, image.size, cell, shard, image.problem), origin

    @cached_property
    def _reading(self) -> LabelCells:
        return LabelCells.of(self._samples.cells, self._config, str(self._given[0]))

    @cached_property
    def _labels(self) -> list[tuple[str | None, Labels | None]]:
        """Class or classes of every distinct cell; last, those of a sample without a cell."""
        cells, origins = self._samples.cells, self._samples.origins
        found = [self._reading.labels(*known) for known in zip(cells, origins, strict=True)]
        return [*found, (None, None)]

    @property
    def is_multilabel(self) -> bool:
        """Whether an image may have any number of classes."""
        return self._reading.is_multilabel

    @cached_property
    def _names_file(self) -> Path | None:
        folders = [self._root, *(shard.parent for shard in self._shards[:1]), self._root.parent]
        return next((f / name for f in folders for name in _NAMES_FILES if (f / name).is_file()), None)

    @cached_property
    def _found(self) -> set[str]:
        """All labels of the samples."""
        return {name for one, several in self._labels for name in (one, *(several or ()))} - {None}

    @cached_property
    def _are_numbered(self) -> bool:
        """Whether labels are line numbers of the file of names."""
        return self._names_file is not None and all(label.isdecimal() for label in self._found)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Those in the file of names, if labels are numbers; else the labels, in their order."""
        labels = self._reading.class_names or label_order(self._found)
        if not self._are_numbered:
            return labels
        names = tuple(text_of(self._names_file).splitlines())
        while names and not names[-1].strip():
            names = names[:-1]
        if labels and int(labels[-1]) >= len(names):
            raise ValueError(
                f"{self._names_file}: expected a line for each class up to {labels[-1]}, found {len(names)}"
            )
        if len(set(names)) != len(names):
            twice = next(name for name, count in Counter(names).items() if count > 1)
            raise ValueError(f"{self._names_file}: expected distinct names, found {twice!r} more than once")
        return names

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on how the shards were read."""
        samples, lines = self._samples, [f"shards: {len(self._shards)}"]
        if self._names_file is not None and self.class_names and not self.class_names[0].isdecimal():
            lines.append(f"names of classes: from {self._names_file.name}")
        if self._without_image:
            lines.append(f"left out: {self._without_image} samples without an image")
        if self._reading.description:
            lines.append(f"labels: {self._reading.description.removeprefix(', ')}")
        # The last entry of the labels is that of code -1, a sample without a cell.
        without = {code for code in range(-1, len(samples.cells)) if self._labels[code] == (None, None)}
        if self._stated.get("label") == "":
            lines.append(f"labels: {LEFT_OUT}")
        elif unlabelled := samples.num_of(without):
            lines.append(
                f"caution: {unlabelled} of {len(samples)} samples have no label: no field .cls, and no .json "
                'with a label; state data.columns = { label = "..." } for the key of a .json'
            )
        return tuple(lines)

    def __len__(self) -> int:
        return len(self._samples)

    def entries(self) -> Iterator[Entry]:
        """Every image, shard by shard, in the order of the members."""
        names = self.class_names
        labels = self._labels
        if self._are_numbered:
            labels = [
                (
                    None if one is None else names[int(one)],
                    None if several is None else tuple(names[int(label)] for label in several),
                )
                for one, several in labels
            ]
        for sample, code in self._samples:
            label, several = labels[code]
            path = f"{self._names[sample.shard]}/{sample.image}"
            split = _split(PurePosixPath(self._names[sample.shard]))
            yield Entry(path, split, label, sample.start, sample.size, problem=sample.problem, target=several)

    def read(self, path: str, start: int, size: int) -> bytes:
        """The bytes of one member; as `ShardFiles.read`."""
        return self._files.read(path, start, size)


class _Field(NamedTuple):
    name: str  # of the member
    start: int
    size: int
    content: bytes | None  # of labels only
    problem: str | None


def _reader(path: Path, max_bytes: float) -> WebShards:
    return WebShards(path, max_bytes=max_bytes)


def _shards(path: Path) -> list[Path]:
    if is_url(str(path)):
        return _remote_shards(path)
    if path.is_file():
        found = [path]
    elif path.is_dir():
        ends = (".tar", *_COMPRESSED)
        found = [
            Path(f) / file.name for _, f, files in walk(path) for file in files if file.name.endswith(ends)
        ]
    else:
        found = expanded(str(path))
    if not found:
        raise ValueError(f"{path}: expected .tar shards, found none")
    wrong = next((shard for shard in found if shard.suffix != ".tar" or archive_kind(shard) != "tar"), None)
    if wrong is not None:
        raise ValueError(
            f"{wrong}: expected a plain shard, name.tar, found another file; unpack a compressed one"
        )
    return found


def _remote_shards(path: Path) -> list[Path]:
    if "{" in path.name or path.suffix == ".tar":
        found = expanded(str(path))
    else:
        found = sorted(path.rglob("*.tar"), key=str)
    if not found or found[0].suffix != ".tar":
        raise ValueError(f"{path}: expected .tar shards, found none")
    return found


def _grouped(shard: Path) -> Iterator[tuple[str, dict[str, _Field]]]:
    """(key, {field: position}) of every sample.

    Raises:
        ValueError: a damaged tar, or two fields of one name in a sample.
    """
    key, fields = None, {}
    for name, field, found in _members(shard):
        if name != key:
            if fields:
                yield key, fields
            key, fields = name, {}
        if field in fields:
            raise ValueError(f"{shard}: {name}: expected fields of different names, found {field} twice")
        fields[field] = found
    if fields:
        yield key, fields


def _members(shard: Path) -> Iterator[tuple[str, str, _Field]]:
    """(key, field, position) of every member that is a file of a sample."""
    try:
        with shard.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            while (info := archive.next()) is not None:
                archive.members.clear()  # else tarfile keeps every member in memory
                match = _MEMBER.fullmatch(info.name.removeprefix("./"))
                if not info.isfile() or _is_skipped(info.name) or match is None:
                    continue
                field = match[2].lower()
                content = None
                if field.rpartition(".")[2] in ("cls", "json") and info.size <= _MOST_LABEL_BYTES:
                    content = archive.extractfile(info).read()
                problem = "a sparse file" if info.issparse() else None
                yield match[1], field, _Field(info.name, info.offset_data, info.size, content, problem)
    except DAMAGED_ARCHIVE as error:
        raise ValueError(f"{shard}: damaged tar: {error}") from error


def _is_skipped(name: str) -> bool:
    """Whether a member describes the shard, or is hidden, as macOS adds them."""
    parts = name.split("/")
    is_about = len(parts[0]) >= 4 and parts[0].startswith("__") and parts[0].endswith("__")
    return is_about or any(is_hidden(part) for part in parts if part not in (".", ".."))


def _has_labels(path: Path) -> bool:
    """Whether a field near the start is a label: `.cls`, or `.json` with a key for labels."""
    if archive_kind(path) != "tar":
        return False
    with suppress(ValueError):
        for count, (_, field, found) in enumerate(_members(path)):
            kind = field.rpartition(".")[2]
            if kind == "cls" or (kind == "json" and json_label(found.content or b"", {}, "") is not None):
                return True
            if count == _PEEKED:
                break
    return False


def _holds_samples(path: Path) -> bool:
    """Whether an image near the start has another file of its key."""
    if _has_labels(path):
        return True
    if archive_kind(path) != "tar":
        return False
    with suppress(ValueError):
        for _, fields in islice(_grouped(path), _PEEKED):
            if len(fields) > 1 and any(is_image_name(f"x.{name}") for name in fields):
                return True
    return False


def _field(fields: dict[str, _Field], name: str) -> bytes | None:
    found = [field for key, field in fields.items() if key.rpartition(".")[2] == name]
    return found[0].content if len(found) == 1 else None


def _text(content: bytes, origin: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{origin}: expected text, found {content[:20]!r}") from error


def _split(shard: PurePosixPath) -> str | None:
    """The split of a shard, from its name without its number, else from its folder; None if neither tells."""
    name = _NUMBER.sub("", shard.stem)
    return next(
        (word for word in (name, *reversed(shard.parent.parts)) if role_of(word) in ("train", "val", "test")),
        None,
    )


WEB_SHARDS = Format(read_web_shards, is_web_shards, of_files=True)
