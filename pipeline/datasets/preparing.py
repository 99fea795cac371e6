"""A source of images -> a prepared folder: checked, split, counted, and decoded once where that fits."""

import csv
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.config.data import DataConfig
from pipeline.datasets.catalog import PHOTO_SCENES, open_source
from pipeline.datasets.checking import Checked, check_all
from pipeline.datasets.drawn import DrawnSource
from pipeline.datasets.manifest import Columns, Rows, write_index, write_manifest
from pipeline.datasets.source import Source
from pipeline.datasets.splits import SplitPlan, plan_splits
from pipeline.datasets.summary import summarize
from pipeline.files import replacing, sha256_of_file, sha256_of_json, write_json

_REASONS_SHOWN = 5
_GIB = 2**30


def prepare(
    config: DataConfig,
    output: Path,
    *,
    num_workers: int = 0,
    progress: Callable[[int, int], None] = lambda num_done, num_total: None,
) -> dict:
    """Check every image of `config.source` and write the prepared folder.

    Written: manifest.csv, index.npz, summary.json, quarantine.csv, and pixels.bin while the decoded images
    fit into `config.max_store_gib` (arrays always: they are decoded, and cannot be read again one by one).
    For photo-scenes also the card and the annotations. The files are the same for any number of workers.

    Args:
        num_workers: decoding processes; 0: one for each core that this process may use.
        progress: called with the images done and the total after each one.

    Returns:
        What summary.json holds.

    Raises:
        FileNotFoundError: `data.source` does not exist.
        ValueError: no usable image, more undecodable ones than `max_bad_share` (quarantine.csv is written
            first), a damaged or unknown source, or a compressed tar that does not fit into `max_store_gib`.
        RuntimeError: a worker process died.
    """
    format_name, source = open_source(config)
    if len(source) == 0:
        raise ValueError(f"data.source: {config.source}: no images found (format {format_name})")
    output.mkdir(parents=True, exist_ok=True)
    num_workers = num_workers or len(os.sched_getaffinity(0))
    rows, quarantine, is_stored = _check_and_store(config, source, output, num_workers, progress)
    _refuse_bad_share(config, quarantine, len(rows))
    class_names = source.class_names or tuple(sorted(rows.class_codes))
    columns = rows.columns(class_names)
    plan = plan_splits(
        columns.parts,
        columns.labels,
        list(rows.part_names),
        val_share=config.val_share,
        test_share=config.test_share,
        seed=config.split_seed,
    )
    _write_tables(output, columns, plan)
    annotations = source.write_annotations(output) if isinstance(source, DrawnSource) else []
    digests = [sha256_of_file(path) for path in (output / "manifest.csv", *annotations)]
    summary = {
        "name": _name(config),
        "source": config.source if format_name == PHOTO_SCENES else str(Path(config.source).resolve()),
        "format": format_name,
        "max_pixels": config.max_pixels,
        "stored": is_stored,
        "num_quarantined": quarantine.num_bad,
        "num_outside_splits": source.num_outside,
        **summarize(columns, plan, list(class_names)),
        "content_digest": sha256_of_json([*digests, list(class_names)]),
    }
    write_json(output / "summary.json", summary)
    return summary


class _Quarantine:
    """The images that are left out: all in a file, the first few reasons in memory."""

    def __init__(self, stream) -> None:
        self._writer = csv.writer(stream, lineterminator="\n")
        self._writer.writerow(("path", "reason"))
        self.num_bad = 0
        self.first: list[str] = []

    def add(self, path: str, reason: str) -> None:
        self._writer.writerow((path, reason))
        self.num_bad += 1
        if len(self.first) < _REASONS_SHOWN:
            self.first.append(f"{path}: {reason}")


class _PixelStore:
    """Decoded images one after another in one file, until they exceed a limit; then the file goes."""

    def __init__(self, path: Path, max_bytes: float) -> None:
        self._path = path
        self._stream = open(path, "wb")  # noqa: SIM115 - closed by close()
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self.is_kept = max_bytes > 0

    def add(self, pixels: bytes) -> None:
        self._num_bytes += len(pixels)
        if self._num_bytes > self._max_bytes:
            self.is_kept = False
            self._stream.truncate(0)
        else:
            self._stream.write(pixels)

    def close(self) -> None:
        self._stream.close()


def _check_and_store(
    config: DataConfig, source: Source, output: Path, num_workers: int, progress: Callable[[int, int], None]
) -> tuple[Rows, _Quarantine, bool]:
    rows = Rows()
    max_bytes = float("inf") if source.access == "memory" else config.max_store_gib * _GIB
    with _quarantine_file(output) as quarantine, _pixels_file(output, max_bytes) as store:
        results = check_all(
            source, max_pixels=config.max_pixels, keep_pixels=lambda: store.is_kept, num_workers=num_workers
        )
        for num_done, (entry, checked) in enumerate(results, start=1):
            if checked.reason is not None:
                quarantine.add(entry.path, checked.reason)
            else:
                rows.add(entry, checked)
                _keep(config, source, store, checked)
            progress(num_done, len(source))
    return rows, quarantine, store.is_kept


def _keep(config: DataConfig, source: Source, store: _PixelStore, checked: Checked) -> None:
    if store.is_kept and checked.pixels is not None:
        store.add(checked.pixels)
    if not store.is_kept and source.access == "sequential":
        raise ValueError(
            f"data.source: {config.source} is a compressed tar, which cannot be read image by image, and its "
            f"decoded images need more than data.max_store_gib = {config.max_store_gib}; "
            "raise that, or pack it as .zip or plain .tar, or unpack it"
        )


@contextmanager
def _quarantine_file(output: Path) -> Iterator[_Quarantine]:
    with (
        replacing(output / "quarantine.csv") as partial,
        open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as stream,
    ):
        yield _Quarantine(stream)


@contextmanager
def _pixels_file(output: Path, max_bytes: float) -> Iterator[_PixelStore]:
    target = output / "pixels.bin"
    with replacing(target) as partial:
        store = _PixelStore(partial, max_bytes)
        try:
            yield store
        finally:
            store.close()
    if not store.is_kept:
        target.unlink()


def _refuse_bad_share(config: DataConfig, quarantine: _Quarantine, num_good: int) -> None:
    num_seen = quarantine.num_bad + num_good
    share = quarantine.num_bad / num_seen
    if num_good and share <= config.max_bad_share:
        return
    more = quarantine.num_bad - len(quarantine.first)
    reasons = "".join(f"\n  {reason}" for reason in quarantine.first) + (
        f"\n  and {more} more" if more else ""
    )
    raise ValueError(
        f"data.source: {config.source}: {quarantine.num_bad} of {num_seen} images ({share:.1%}) cannot be "
        f"used, more than data.max_bad_share = {config.max_bad_share:.1%}; see quarantine.csv:{reasons}"
    )


def _write_tables(output: Path, columns: Columns, plan: SplitPlan) -> None:
    write_manifest(output / "manifest.csv", columns, plan.codes)
    write_index(output / "index.npz", columns, plan.codes)


def _name(config: DataConfig) -> str:
    """What tables call the data set: the folder's or file's name without its suffixes."""
    if config.source == PHOTO_SCENES:
        return f"{PHOTO_SCENES} ({config.photo_scenes.drawing})"
    path = Path(config.source).resolve()
    if path.is_dir():
        return path.name
    name = path.name
    for suffix in (".gz", ".bz2", ".xz", ".tgz", ".tar", ".zip", ".npz"):
        name = name.removesuffix(suffix)
    return name
