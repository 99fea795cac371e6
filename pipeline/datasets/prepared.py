"""Reads a prepared data set."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from pipeline.datasets.array_files import read_arrays
from pipeline.datasets.channels.pictures import LOOKED_AT, Stretch
from pipeline.datasets.label_maps.store import StoredLabelMaps
from pipeline.datasets.manifest import path_at
from pipeline.datasets.objects.store import StoredObjects
from pipeline.datasets.prepared_images import ImageFiles, StoredPixels
from pipeline.datasets.source import Annotation
from pipeline.datasets.splits import SPLITS
from pipeline.datasets.stored_targets import StoredTargets, open_targets
from pipeline.datasets.targets import Objects
from pipeline.storage.files import read_json


@dataclass(frozen=True, eq=False)
class PreparedDataset:
    """The usable images of a prepared data set. All methods are thread-safe."""

    name: str
    labels: np.ndarray  # (N,) int64, -1 = none
    class_names: list[str]  # in label order
    split_names: dict[str, str]  # train, val, test -> name in the source; only splits with images
    # (3,) float32: mean of R, G, B over the training pixels, in [0, 1]; of images with channels (C,), in
    # their own units.
    mean: np.ndarray
    std: np.ndarray  # standard deviation, likewise
    annotation: Annotation  # of the images: at most a class each, a label map each, or objects
    category_ids: list[int]  # of each class, as numbered in the source, else from 1; objects only
    content_digest: str  # equal for equal images, labels and splits
    directory: Path
    summary: dict
    _splits: np.ndarray  # (N,) int8
    _sizes: np.ndarray  # (N, 2) int32: width, height
    _images: StoredPixels | ImageFiles
    _open_files: Callable[[], ImageFiles]
    _path: Callable[[int], str]
    _targets: StoredTargets | None

    @classmethod
    def open(cls, directory: Path) -> "PreparedDataset":
        """Open what `prepare` wrote; images are read when needed.

        Raises:
            FileNotFoundError: there is no finished prepared data set, or its source is gone.
            ValueError: its files are inconsistent.
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

        sizes = index["sizes"]
        files = partial(ImageFiles, summary, sizes, index["positions"], path)
        if summary["stored"]:
            num_channels = len(summary["mean"]) if "channels" in summary else None
            images = StoredPixels(directory / "pixels.bin", sizes, num_channels)
        else:
            images = files()
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
            _sizes=sizes,
            _images=images,
            _open_files=files,
            _path=path,
            _targets=open_targets(summary["annotation"], directory, sizes),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def indices(self, split: str) -> np.ndarray:
        """(n,) int64: the rows of a split, ascending, read-only; empty if there is no such split.

        Raises:
            ValueError: a name other than train, val and test.
        """
        if split not in SPLITS[:3]:
            raise ValueError(f"split must be one of {', '.join(SPLITS[:3])}, got {split!r}")
        return self._rows_of_splits[split]

    @cached_property
    def _rows_of_splits(self) -> dict[str, np.ndarray]:
        found = {split: np.flatnonzero(self._splits == SPLITS.index(split)) for split in SPLITS[:3]}
        for rows in found.values():
            rows.flags.writeable = False
        return found

    @property
    def num_channels(self) -> int:
        """Channels of every image."""
        return len(self.mean)

    @property
    def has_channels(self) -> bool:
        """Whether images have channels of any number and unit, instead of 8-bit RGB."""
        return "channels" in self.summary

    def picture(self, i: int, at_least: int | None = None) -> np.ndarray:
        """(H, W, 3) uint8 for display: the image, or some channels by `Stretch`; arguments as in `image`."""
        image = self.image(i, at_least)
        return self._stretch.picture(image) if self.has_channels else image

    @cached_property
    def _stretch(self) -> Stretch:
        rows = self.indices("train")
        chosen = rows[:: max(1, -(-len(rows) // LOOKED_AT))]
        return Stretch.of(tuple(self.summary["picture_channels"]), map(self.image, chosen.tolist()))

    def image(self, i: int, at_least: int | None = None) -> np.ndarray:
        """Image `i`, 0 <= i < len(self): (H, W, 3) uint8 or (H, W, C) float32, possibly read-only.

        Args:
            at_least: sufficient length of the short side in pixels; a JPEG decoded now may be reduced to 1/2,
                1/4 or 1/8, never below this. Stored images have their full size.

        Raises:
            IndexError: no such image.
            FileNotFoundError, ValueError: the source was changed after preparing.
        """
        return self.images([i], at_least)[0]

    def images(self, rows: Iterable[int], at_least: int | None = None) -> list[np.ndarray]:
        """Several images, as from `image`; in shards, neighbouring ones are read at once."""
        rows = self._checked(rows)
        return self._images.decoded(rows, self._images.contents(rows), at_least)

    def contents(self, rows: Iterable[int]) -> list[bytes | None]:
        """The image files' bytes, for `decoded`; None each if decoded images are stored.

        Raises:
            IndexError: no such image.
            FileNotFoundError, ValueError: the source was changed after preparing.
        """
        return self._images.contents(self._checked(rows))

    def decoded(
        self, rows: Iterable[int], contents: list[bytes | None], at_least: int | None = None
    ) -> list[np.ndarray]:
        """As `images`, from what `contents` returned."""
        return self._images.decoded(self._checked(rows), contents, at_least)

    def _checked(self, rows: Iterable[int]) -> list[int]:
        rows = [int(row) for row in rows]
        for row in rows:
            if not 0 <= row < len(self):
                raise IndexError(f"image {row} of a data set of {len(self)}")
        return rows

    def source_files(self) -> ImageFiles | None:
        """The files from which images were decoded; None if there are none that can be read by position.

        Raises:
            FileNotFoundError: the source is gone.
        """
        return self._open_files() if self.summary["access"] == "random" else None

    def path(self, i: int) -> str:
        """Path of image `i`, relative to the source."""
        return self._path(i)

    def size(self, i: int) -> tuple[int, int]:
        """(width, height) of image `i` in pixels, upright."""
        width, height = self._sizes[i].tolist()
        return width, height

    def label_map(self, i: int) -> np.ndarray:
        """The class of every pixel of image `i`: (H, W) int16, IGNORED where a pixel is ignored.

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
        """The id that the source gives image `i`; if it gives none, or none that can be kept, `i`.

        It is unique in a split. Two files of annotations may give the same id to images of different splits.
        different splits.

        Raises:
            IndexError: no such image.
            ValueError: this data set has no objects.
        """
        return int(self._stored(i, StoredObjects, "objects").image_ids[i])

    def _stored(self, i: int, kind: type, words: str) -> StoredTargets:
        if not isinstance(self._targets, kind):
            raise ValueError(f"{self.name}: expected a data set with {words}, found {self.annotation}")
        self._checked([i])
        return self._targets
