"""Reading a prepared data set."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.datasets.archive import Archive
from pipeline.datasets.array_files import read_arrays
from pipeline.datasets.decode import UndecodableImage, decode
from pipeline.datasets.image_folder import ImageFolder
from pipeline.datasets.label_maps.store import StoredLabelMaps
from pipeline.datasets.manifest import path_at
from pipeline.datasets.mapped import mapped_bytes
from pipeline.datasets.objects.store import StoredObjects
from pipeline.datasets.source import Annotation, max_file_bytes
from pipeline.datasets.splits import SPLITS
from pipeline.datasets.stored_targets import StoredTargets, open_targets
from pipeline.datasets.tables.shard_files import ShardFiles
from pipeline.datasets.tables.shard_names import is_pattern
from pipeline.datasets.tables.table_files import TableFiles
from pipeline.datasets.targets import Objects
from pipeline.storage.files import read_json


@dataclass(frozen=True, eq=False)
class PreparedDataset:
    """The images that `prepare` found usable. Every method may be called from many threads at once."""

    name: str
    labels: np.ndarray  # (N,) int64, -1 = none
    class_names: list[str]  # in label order
    split_names: dict[str, str]  # train, val, test -> what the source calls it; only splits with images
    mean: np.ndarray  # (3,) float32: R, G, B of the training pixels, in [0, 1]
    std: np.ndarray  # (3,) float32
    annotation: Annotation  # what images are labelled with: a class at most, a label map each, or objects
    category_ids: list[int]  # of each class, as the source numbers it, else from 1; objects only
    content_digest: str  # equal for equal images, labels and splits
    directory: Path
    summary: dict
    _splits: np.ndarray  # (N,) int8
    _sizes: np.ndarray  # (N, 2) int32: width, height
    _read: Callable[[int, int | None], np.ndarray]
    _path: Callable[[int], str]
    _targets: StoredTargets | None

    @classmethod
    def open(cls, directory: Path) -> "PreparedDataset":
        """Open what `prepare` wrote; images are read as they are asked for.

        Raises:
            FileNotFoundError: there is no finished prepared data set, or the source it refers to has gone.
            ValueError: its files disagree with one another.
        """
        directory = Path(directory)
        if not (directory / "summary.json").is_file():
            raise FileNotFoundError(
                f"{directory}: no prepared data set (no summary.json); run the task prepare"
            )
        summary = read_json(directory / "summary.json")
        index = read_arrays(directory / "index.npz")

        def path(i: int) -> str:
            return path_at(index["path_bytes"], index["path_ends"], i)

        read = (
            _from_store(directory, index["sizes"])
            if summary["stored"]
            else _from_source(summary, index, path)
        )
        return cls(
            name=summary["name"],
            labels=index["labels"].astype(np.int64),
            class_names=summary["class_names"],
            split_names=summary["split_names"],
            mean=np.array(summary["mean"], dtype=np.float32),
            std=np.array(summary["std"], dtype=np.float32),
            annotation=summary["annotation"],
            category_ids=summary["category_ids"],
            content_digest=summary["content_digest"],
            directory=directory,
            summary=summary,
            _splits=index["splits"],
            _sizes=index["sizes"],
            _read=read,
            _path=path,
            _targets=open_targets(summary["annotation"], directory, index["sizes"]),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def indices(self, split: str) -> np.ndarray:
        """(n,) int64: the rows of a split, ascending; empty where the data set has no such split.

        Raises:
            ValueError: a name other than train, val and test.
        """
        if split not in SPLITS[:3]:
            raise ValueError(f"split must be one of {', '.join(SPLITS[:3])}, got {split!r}")
        return np.flatnonzero(self._splits == SPLITS.index(split))

    def image(self, i: int, at_least: int | None = None) -> np.ndarray:
        """Image `i`, 0 <= i < len(self): (H, W, 3) uint8, read-only or possibly so.

        Args:
            at_least: short side in pixels that is enough; a JPEG that is decoded now may come out reduced to
                1/2, 1/4 or 1/8, never below this. Stored images come in full.

        Raises:
            IndexError: no such image.
            FileNotFoundError, ValueError: the source was changed after preparing.
        """
        if not 0 <= i < len(self):
            raise IndexError(f"image {i} of a data set of {len(self)}")
        return self._read(i, at_least)

    def path(self, i: int) -> str:
        """Where image `i` comes from, relative to the source."""
        return self._path(i)

    def size(self, i: int) -> tuple[int, int]:
        """(width, height) of image `i` in pixels, upright."""
        width, height = self._sizes[i].tolist()
        return width, height

    def label_map(self, i: int) -> np.ndarray:
        """The class of every pixel of image `i`: (H, W) int16, IGNORED where a pixel counts for nothing.

        Raises:
            IndexError: no such image.
            ValueError: this data set has no label maps.
        """
        return self._stored(i, StoredLabelMaps, "label maps").read(i)

    def objects(self, i: int) -> Objects:
        """The objects of image `i`, possibly none.

        Raises:
            IndexError: no such image.
            ValueError: this data set has no objects.
        """
        return self._stored(i, StoredObjects, "objects").read(i)

    def image_id(self, i: int) -> int:
        """The number that the source gives image `i`; where it gives none, or none that can be kept, `i`.

        No two images of a split share it. Two files of annotations may give the same number to images of
        different splits.

        Raises:
            IndexError: no such image.
            ValueError: this data set has no objects.
        """
        return int(self._stored(i, StoredObjects, "objects").image_ids[i])

    def _stored(self, i: int, kind: type, words: str) -> StoredTargets:
        if not isinstance(self._targets, kind):
            raise ValueError(f"{self.name}: expected a data set with {words}, found {self.annotation}")
        if not 0 <= i < len(self):
            raise IndexError(f"image {i} of a data set of {len(self)}")
        return self._targets


def _from_store(directory: Path, sizes: np.ndarray) -> Callable[[int, int | None], np.ndarray]:
    """Views into the file of decoded pixels, mapped once for all threads."""
    ends = np.cumsum(3 * sizes.astype(np.int64).prod(axis=1))
    pixels = mapped_bytes(directory / "pixels.bin", int(ends[-1]))

    def read(i: int, at_least: int | None) -> np.ndarray:
        width, height = sizes[i].tolist()
        end = int(ends[i])
        return pixels[end - 3 * width * height : end].reshape(height, width, 3)

    return read


def _reopened(
    summary: dict, location: Path, max_bytes: int
) -> Archive | ShardFiles | TableFiles | ImageFolder:
    """What reads the images once more, without listing them."""
    match summary["format"]:
        case "archive":
            return Archive(location, max_bytes=max_bytes)
        case "webdataset":
            return ShardFiles(location, max_bytes=max_bytes)
        case "parquet" | "arrow":
            suffix = f".{summary['format']}"
            return TableFiles(location, suffix, max_bytes=max_bytes, stated=summary["columns"])
    # All other formats that are not always stored are folders of images, whatever lies beside them.
    return ImageFolder(location.parent if location.is_file() else location, max_bytes=max_bytes)


def _from_source(
    summary: dict, index: dict[str, np.ndarray], path: Callable[[int], str]
) -> Callable[[int, int | None], np.ndarray]:
    """Decode from the original folder or archive."""
    location = Path(summary["source"])
    if not location.exists() and not is_pattern(str(location)):
        raise FileNotFoundError(f"{location}: the images that were prepared from here are needed again")
    max_pixels = summary["max_pixels"]
    grey_range = tuple(summary["grey_range"]) if summary["grey_range"] else None
    source = _reopened(summary, location, max_file_bytes(max_pixels))
    sizes, positions = index["sizes"], index["positions"]
    is_annotated = summary["annotation"] != "class"

    def read(i: int, at_least: int | None) -> np.ndarray:
        start, size = positions[i].tolist()
        width, height = sizes[i].tolist()
        annotated_size = (width, height) if is_annotated else None
        try:
            content = source.read(path(i), start, size)
            image = decode(
                content,
                max_pixels=max_pixels,
                at_least=at_least,
                annotated_size=annotated_size,
                grey_range=grey_range,
            )
        except (UndecodableImage, OSError) as error:
            raise type(error)(
                f"{location}: {path(i)}: could be read when it was prepared, now: {error}"
            ) from error
        if at_least is None and image.shape[:2] != (height, width):
            raise ValueError(
                f"{location}: {path(i)}: expected {width} x {height} pixels as when it was prepared, "
                f"found {image.shape[1]} x {image.shape[0]}"
            )
        return image

    return read
