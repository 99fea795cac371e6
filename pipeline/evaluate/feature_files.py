"""Reads and writes cached features of a frozen backbone.

Shapes: n images of a split, B blocks, D channels, K classes. Per split: `<split>_cls.npy` (n, B, D), normed
CLS tokens of the last blocks, the last block last; `<split>_patch_mean.npy` (n, D), both float32 or float16;
`<split>_labels.npy` (n,) int64, -1 = none, or, where images have any number of classes, (n, K) int8 of 0 and
1, -1 = not known; `<split>_index.npy` (n,) int64, rows of the manifest. And `features.json`.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.evaluate.feature_rows import FeatureRows
from pipeline.measures.labelled_images import LabelledImages
from pipeline.storage.files import read_json, replacing
from pipeline.storage.mapped_pages import release_pages

SUMMARY = "features.json"
# The weights that `features.weights` names -> their file in the run that made them. `initialize` writes only
# backbone.safetensors.
BACKBONE_FILES = {"teacher": "backbone.safetensors", "student": "student.safetensors"}
_FLOATS = ("float32", "float16")
CHECKED_BYTES = 32 * 2**20  # read at once to check that values are finite


@dataclass(frozen=True)
class SplitFeatures:
    """Labelled images of one split; the features of all its images are memory-mapped."""

    cls: np.ndarray  # (N, B, D)
    patch_mean: np.ndarray  # (N, D)
    rows: np.ndarray | None  # (n,) int64: rows of the labelled ones among the N; None: all
    labels: np.ndarray  # (n,) int64, from 0; or (n, K) int8, 1 where an image has the class
    index: np.ndarray  # (n,) int64
    source_name: str  # the split's name in the data set

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def last_cls(self) -> FeatureRows:
        """CLS tokens of the last block, (n, D)."""
        return FeatureRows((self.cls[:, -1],), self.rows)

    def only(self, rows: np.ndarray) -> "SplitFeatures":
        """The features of some of these images; `self` if it is all of them.

        Args:
            rows: rows of these images in the manifest.

        Raises:
            ValueError: there are no features of one of the images.
        """
        if len(rows) == len(self) and np.array_equal(rows, self.index):
            return self
        kept = np.flatnonzero(np.isin(self.index, rows))
        if len(kept) != len(rows):
            raise ValueError(f"features of {len(kept)} of the {len(rows)} images of the subset, expected all")
        chosen = kept if self.rows is None else self.rows[kept]
        return replace(self, rows=chosen, labels=self.labels[kept], index=self.index[kept])

    def joined(self, num_blocks: int, *, average_pool: bool) -> FeatureRows:
        """CLS tokens of the last blocks side by side, then, with `average_pool`, the mean patch token.

        Raises:
            ValueError: the file has fewer blocks.
        """
        num_all, num_kept, num_channels = self.cls.shape
        if num_blocks > num_kept:
            raise ValueError(
                f"linear.num_blocks = {num_blocks}, but only {num_kept} were kept (features.num_blocks)"
            )
        flat = self.cls.reshape(num_all, num_kept * num_channels)[:, -num_blocks * num_channels :]
        return FeatureRows((flat, self.patch_mean) if average_pool else (flat,), self.rows)


@dataclass(frozen=True)
class FeatureSet:
    """One backbone's features of one data set. A split without labelled images is None."""

    dataset: str
    class_names: list[str]
    train: SplitFeatures | None
    val: SplitFeatures | None
    test: SplitFeatures | None
    is_multilabel: bool = False  # an image has any number of classes

    def labels(self, *splits: str) -> dict[str, np.ndarray]:
        """Labels (n,) of each split; n = 0 for a split without labelled images."""
        found = {split: getattr(self, split) for split in splits}
        return {
            split: np.empty(0, np.int64) if part is None else part.labels for split, part in found.items()
        }

    def test_images(self) -> LabelledImages:
        """The test images, on which a probe is tested; at least one must be labelled."""
        test = self.test
        return LabelledImages(self.dataset, test.source_name, self.class_names, test.labels, test.index)


def read_features(directory: Path) -> FeatureSet:
    """Read and check what the stage `features` wrote.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: shapes, types or labels are wrong, or a value is not finite; the message names the file.
    """
    summary_path = directory / SUMMARY
    if not summary_path.is_file():
        raise FileNotFoundError(f"{summary_path}: no features here; run the task features")
    summary = read_json(summary_path)
    splits = {
        split: _read_split(directory, split, summary) if split in summary["num_images"] else None
        for split in ("train", "val", "test")
    }
    several = summary.get("is_multilabel", False)
    return FeatureSet(summary["dataset"], summary["class_names"], **splits, is_multilabel=several)


def write_split(
    directory: Path,
    split: str,
    features: Iterable[tuple[np.ndarray, np.ndarray]],
    *,
    labels: np.ndarray,
    index: np.ndarray,
    dtype: str = "float32",
) -> None:
    """Write one split, batch by batch, in bounded memory.

    Args:
        features: CLS tokens (b, B, D) and mean patch tokens (b, D) of consecutive images, n in all.
        labels: (n,), or (n, K).
        index: (n,).
        dtype: of the files, "float32" or "float16".

    Raises:
        ValueError: the batches have more or fewer than n images in all.
        FloatingPointError: a feature is not finite, or too large for float16.
    """
    for name, values in (("labels", labels), ("index", index)):
        with replacing(directory / f"{split}_{name}.npy") as partial, open(partial, "wb") as stream:
            np.save(stream, np.asarray(values, np.int8 if values.ndim == 2 else np.int64))
    targets = [directory / f"{split}_{name}.npy" for name in ("cls", "patch_mean")]
    with ExitStack() as files:
        partials = [files.enter_context(replacing(target)) for target in targets]
        try:
            _fill(partials, features, len(labels), dtype)
        except (FloatingPointError, ValueError) as error:
            raise type(error)(f"{targets[0]}: {error}") from error


def _fill(paths: list[Path], features: Iterable[tuple[np.ndarray, ...]], num_images: int, dtype: str) -> None:
    """Write batches of arrays one after another into files with `num_images` rows."""
    done, stored = 0, []
    for batch in features:
        stored = stored or [
            np.lib.format.open_memmap(path, "w+", dtype, (num_images, *part.shape[1:]))
            for path, part in zip(paths, batch, strict=True)
        ]
        end = done + len(batch[0])
        if end > num_images:
            raise ValueError(f"features of more than the {num_images} images came")
        for target, part in zip(stored, batch, strict=True):
            with np.errstate(over="ignore"):  # becomes infinite, which is checked below
                rounded = part.astype(dtype)
            if not np.isfinite(rounded).all():
                raise FloatingPointError(
                    f"features of the images {done}..{end - 1} are not all finite in {dtype}"
                )
            target[done:end] = rounded
            release_pages(target)
        done = end
    if done != num_images:
        raise ValueError(f"features of {done} images came, expected {num_images}")
    for target in stored:
        target.flush()


def _read_split(directory: Path, split: str, summary: dict) -> SplitFeatures | None:
    num_images = summary["num_images"][split]
    num_blocks, num_channels = summary["num_blocks"], summary["embed_dim"]
    class_names, is_multilabel = summary["class_names"], summary.get("is_multilabel", False)
    shapes = {
        "cls": (num_images, num_blocks, num_channels),
        "patch_mean": (num_images, num_channels),
        "labels": (num_images, len(class_names)) if is_multilabel else (num_images,),
        "index": (num_images,),
    }
    kinds = {"cls": _FLOATS, "patch_mean": _FLOATS, "labels": ("int8",) if is_multilabel else ("int64",)}
    arrays = {
        name: _read_array(directory / f"{split}_{name}.npy", shape, kinds.get(name, ("int64",)))
        for name, shape in shapes.items()
    }
    labels, highest = arrays["labels"], 1 if is_multilabel else len(class_names) - 1
    if labels.min() < -1 or labels.max() > highest:
        raise ValueError(
            f"{directory / f'{split}_labels.npy'}: expected labels in -1..{highest}, "
            f"found {labels.min()}..{labels.max()}"
        )
    labelled = np.flatnonzero((labels[:, 0] if is_multilabel else labels) >= 0)
    if not labelled.size:
        return None
    rows = labelled if labelled.size < num_images else None
    arrays["labels"], arrays["index"] = labels[labelled], arrays["index"][labelled]
    return SplitFeatures(**arrays, rows=rows, source_name=summary["split_names"][split])


def _read_array(path: Path, shape: tuple[int, ...], expected: tuple[str, ...]) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: missing; run the task features again")
    try:
        array = np.load(path, mmap_mode="r" if expected == _FLOATS else None, allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"{path}: not a whole .npy file ({error})") from error
    if array.shape != shape or array.dtype not in expected:
        words = " or ".join(expected)
        raise ValueError(f"{path}: expected {words} {shape}, found {array.dtype} {array.shape}")
    if array.dtype.kind == "f":
        block = max(1, CHECKED_BYTES // max(1, array[0].nbytes))
        for start in range(0, len(array), block):
            if not np.isfinite(array[start : start + block]).all():
                raise ValueError(f"{path}: holds values that are not finite")
            release_pages(array)
    return array
