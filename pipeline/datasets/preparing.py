"""Turns a source of images into a prepared folder: checked, split, counted, and decoded once if they fit."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.config.data import DataConfig
from pipeline.datasets.archives_inside import archives_inside
from pipeline.datasets.catalog import PHOTO_SCENES, open_source
from pipeline.datasets.channels.limits import with_window
from pipeline.datasets.channels.pictures import shown_channels
from pipeline.datasets.channels.reading import ChannelReading
from pipeline.datasets.channels.summary_lines import channel_lines
from pipeline.datasets.checking import Checked, check_all
from pipeline.datasets.class_overlap import overlap_notes, untrained_images
from pipeline.datasets.drawn import DrawnSource
from pipeline.datasets.grey_range import GreyRange, grey_range
from pipeline.datasets.label_like import LabelLike
from pipeline.datasets.manifest import Columns, Rows, write_index, write_manifest
from pipeline.datasets.multilabel import (
    LabelSetWriter,
    has_label_sets,
    strata,
    summary_of,
    write_label_sets,
)
from pipeline.datasets.pixel_store import PixelStore, pixels_file
from pipeline.datasets.quarantine import Quarantine, quarantine_file
from pipeline.datasets.source import Entry, Source
from pipeline.datasets.split_words import unmatched
from pipeline.datasets.splits import SplitPlan, plan_splits, without_a_part
from pipeline.datasets.stored_targets import TargetWriter, target_writer
from pipeline.datasets.summary import summarize
from pipeline.storage.files import sha256_of_file, sha256_of_json, write_json
from pipeline.storage.remote_paths import is_url

_GIB = 2**30
_FEWEST_BOXES = 5  # that can tell how all are written
_TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".arrow")


def prepare(
    config: DataConfig,
    output: Path,
    *,
    num_workers: int = 0,
    progress: Callable[[int, int], None] = lambda num_done, num_total: None,
) -> dict:
    """Check every image of `config.source` and write the prepared folder.

    Writes manifest.csv, index.npz, summary.json, quarantine.csv, and pixels.bin if the decoded images fit
    into `config.max_store_gib` (arrays always, because they are decoded and cannot be read again one by one).
    Label maps go to label_maps.bin and .npz, objects to objects.npz and segments.bin, several classes per
    image to label_sets.npy. For photo-scenes there is also the card. The files do not depend on the number of
    workers.

    Args:
        num_workers: decoding processes; 0: one for each core that this process may use.
        progress: called after each image, with the number of images done and in all.

    Returns:
        The content of summary.json.

    Raises:
        FileNotFoundError: `data.source` does not exist.
        ValueError: no usable image, more unusable ones than `max_bad_share` (quarantine.csv is written
            first), no annotation of the kind `config.annotation` to train or test on, a damaged or unknown
            source, or a compressed tar that does not fit into `max_store_gib`.
        RuntimeError: a worker process died.
    """
    format_name, source = open_source(config)
    if len(source) == 0:
        notes = [*source.notes, *(archives_inside(path) if (path := Path(config.source)).is_dir() else [])]
        seen = f"; {'; '.join(notes)}" if notes else ""
        raise ValueError(f"data.source: {config.source}: no images found (format {format_name}){seen}")
    _refuse_other_annotation(config, format_name, source)
    output.mkdir(parents=True, exist_ok=True)
    num_workers = num_workers or len(os.sched_getaffinity(0))
    channels = _channels(config, source)
    if channels is None:
        grey = _grey_range(config, source)
        on_pixels = [grey.note] if grey.note else []
    else:
        grey, on_pixels = GreyRange(None), channel_lines(config, channels.limits)
    label_sets = LabelSetWriter(source.class_names) if has_label_sets(source) else None
    rows, targets, is_stored, quarantine = _check_and_store(
        config, source, output, num_workers, progress, grey.limits, channels, label_sets
    )
    matrix = label_sets.matrix() if label_sets else None
    if channels is not None and quarantine.first:
        on_pixels.append(f"left out, the first: {'; '.join(quarantine.first)}")
    class_names = _class_names(config, source, rows, targets)
    columns = rows.columns(class_names)
    if format_name not in ("image-folder", "archive") and (
        unknown := unmatched(config.parts, (name for name in rows.part_names if name))
    ):
        raise ValueError(f"data.source: {config.source}: data.parts: no part is called {unknown[0]!r}")
    plan = _plan(config, rows, _stratified_by(columns, targets, matrix), columns.parts)
    on_parts = without_a_part(columns.parts, list(rows.part_names), config.parts)
    _write_tables(output, columns, plan)
    if isinstance(source, DrawnSource):
        source.write_card(output)
    counted = summarize(columns, plan, list(class_names))
    counted |= {} if targets is None else targets.summary(plan.codes, len(class_names))
    if matrix is not None:
        counted |= summary_of(matrix, plan.codes)
    category_ids = [] if targets is None else list(source.category_ids)
    summary = {
        "name": _name(config),
        "source": _source(config),
        "format": format_name,
        "access": source.access,
        "annotation": source.annotation,
        "columns": config.columns,
        "max_pixels": config.max_pixels,
        "grey_range": grey.limits,
        **({} if channels is None else _of_channels(config, channels)),
        "stored": is_stored,
        "num_quarantined": quarantine.num_bad,
        "num_outside_splits": source.num_outside,
        **counted,
        **_on_classes(config, source, counted, [*on_pixels, *on_parts]),
        "category_ids": category_ids,
        "content_digest": _content_digest(
            output, targets, class_names, category_ids, grey.limits, channels, matrix
        ),
    }
    _refuse_nothing_to_learn(config, summary)
    write_json(output / "summary.json", summary)
    return summary


def _channels(config: DataConfig, source: Source) -> ChannelReading | None:
    """How images with channels are read; percentiles for a window are computed here."""
    reading = ChannelReading.of(config)
    if reading is None or config.window != "percentile":
        return reading
    try:
        return with_window(reading, source)
    except ValueError as error:
        raise ValueError(f"data.source: {config.source}: {error}") from error


def _grey_range(config: DataConfig, source: Source) -> GreyRange:
    try:
        return grey_range(source, config.grey_range, config.max_pixels)
    except ValueError as error:
        raise ValueError(f"data.source: {config.source}: {error}") from error


def _of_channels(config: DataConfig, channels: ChannelReading) -> dict:
    shown = shown_channels(config.channels, config.picture_channels)
    return {"channels": channels.to_summary(), "picture_channels": shown}


def _refuse_other_annotation(config: DataConfig, format_name: str, source: Source) -> None:
    if config.annotation in ("any", source.annotation):
        return
    words = {"class": "at most a class for each image", "label-map": "label maps", "objects": "objects"}
    raise ValueError(
        f"data.source: {config.source}: expected {words[config.annotation]}, "
        f"found {words[source.annotation]} (format {format_name}); docs/data.md lists the layouts"
        f"{''.join(f'; {note}' for note in source.notes if 'not read' in note or note.startswith('skipped'))}"
    )


def _refuse_nothing_to_learn(config: DataConfig, summary: dict) -> None:
    """Data that must be annotated need annotations in the training part and in the test part."""
    if summary["annotation"] == "objects":
        _refuse_other_boxes(config, summary)
    if config.annotation == "any":
        return
    counts = summary["counts"]
    if config.annotation == "objects":
        counts = summary["num_objects"]
        _refuse_crowds_alone(config, counts, summary["num_crowds"])
    if empty := [split for split in ("train", "test") if not counts[split]]:
        what = "objects" if config.annotation == "objects" else "images with label maps"
        raise ValueError(
            f"data.source: {config.source}: expected {what} to train and to test on, found none in the parts "
            f"{', '.join(empty)}"
        )


def _refuse_crowds_alone(config: DataConfig, num_objects: dict, num_crowds: dict) -> None:
    for split in ("train", "test"):
        if 0 < num_objects[split] == num_crowds[split]:
            raise ValueError(
                f"data.source: {config.source}: expected objects to train and to test on, found "
                f"{num_crowds[split]} crowds only in the part {split}, which are neither trained on nor "
                'scored; data.crowds = "objects" takes them as objects'
            )


def _refuse_other_boxes(config: DataConfig, summary: dict) -> None:
    """Refuse boxes that are written in another way than their format has them: read, they are wrong."""
    num_boxes, num_cut = sum(summary["num_objects"].values()), summary["num_cut_boxes"]
    if 0 < num_boxes == summary["num_corner_boxes"]:
        raise ValueError(
            f"data.source: {config.source}: expected boxes in pixels, found all within the first pixel "
            f"of their images, such as {summary['first_corner_boxes'][0]}: shares of the image's sides?"
        )
    if num_boxes >= _FEWEST_BOXES and 2 * num_cut > num_boxes and not config.amodal:
        raise ValueError(
            f"data.source: {config.source}: expected boxes within their images, found {num_cut} of "
            f"{num_boxes} that reach beyond, such as {summary['first_cut_boxes'][0]}: two corners where the "
            "format has a centre or a corner, width and height?"
        )


def _check_and_store(
    config: DataConfig,
    source: Source,
    output: Path,
    num_workers: int,
    progress: Callable[[int, int], None],
    grey_limits: tuple[float, float] | None,
    channels: ChannelReading | None,
    label_sets: LabelSetWriter | None,
) -> tuple[Rows, TargetWriter | None, bool, Quarantine]:
    """(usable images, their label maps or objects, whether pixels are stored, unusable images)."""
    rows = Rows(config.channels)
    label_like = LabelLike()
    max_bytes = float("inf") if source.access == "memory" else config.max_store_gib * _GIB
    with (
        quarantine_file(output / "quarantine.csv") as quarantine,
        pixels_file(output / "pixels.bin", max_bytes) as store,
        target_writer(source.annotation, output) as targets,
    ):
        results = check_all(
            source,
            max_pixels=config.max_pixels,
            keep_pixels=lambda: store.is_kept,
            num_workers=num_workers,
            grey_range=grey_limits,
            channels=channels,
        )
        for num_done, (entry, checked) in enumerate(results, start=1):
            if checked.reason is not None:
                quarantine.add(entry.path, checked.reason)
            else:
                rows.add(entry, checked)
                label_like.add(entry, checked.is_label_like)
                _keep_pixels(config, source, store, checked)
                if targets is not None:
                    _add_target(config, entry, targets, checked)
                if label_sets is not None:
                    label_sets.add(entry)
            progress(num_done, len(source))
    _refuse_bad_share(config, quarantine, len(rows), output / "quarantine.csv")
    if source.annotation == "class" and source.access != "memory":
        label_like.refuse_mixture(config.source, config.parts)
    return rows, targets, store.is_kept, quarantine


def _add_target(config: DataConfig, entry: Entry, targets: TargetWriter, checked: Checked) -> None:
    try:
        targets.add(checked.target)
    except ValueError as error:
        raise ValueError(f"data.source: {config.source}: {entry.path}: {error}") from error


def _keep_pixels(config: DataConfig, source: Source, store: PixelStore, checked: Checked) -> None:
    if store.is_kept and checked.pixels is not None:
        store.add(checked.pixels)
    if not store.is_kept and source.access == "sequential":
        raise ValueError(
            f"data.source: {config.source} is a compressed tar, which cannot be read image by image, and its "
            f"decoded images need more than data.max_store_gib = {config.max_store_gib}; "
            "raise that, or pack it as .zip or plain .tar, or unpack it"
        )


def _refuse_bad_share(config: DataConfig, quarantine: Quarantine, num_good: int, file: Path) -> None:
    num_seen = quarantine.num_bad + num_good
    share = quarantine.num_bad / num_seen
    if num_good and share <= config.max_bad_share:
        return
    raise ValueError(
        f"data.source: {config.source}: {quarantine.num_bad} of {num_seen} images ({share:.1%}) cannot be "
        f"used, more than data.max_bad_share = {config.max_bad_share:.1%}; see {file}:"
        f"{quarantine.described()}"
    )


def _class_names(
    config: DataConfig, source: Source, rows: Rows, targets: TargetWriter | None
) -> tuple[str, ...]:
    if source.class_names is not None:
        return source.class_names
    if targets is None:
        return tuple(sorted(rows.class_codes))
    try:
        return targets.numbered_classes()
    except ValueError as error:
        raise ValueError(f"data.source: {config.source}: {error}") from error


def _stratified_by(
    columns: Columns, targets: TargetWriter | None, label_sets: np.ndarray | None
) -> np.ndarray:
    """(n,) int64: the class by which images are held out, -1 for one without labels."""
    if label_sets is not None:
        return strata(label_sets)
    return columns.labels if targets is None else np.zeros(len(columns), np.int64)


def _plan(config: DataConfig, rows: Rows, labels: np.ndarray, parts: np.ndarray) -> SplitPlan:
    try:
        return plan_splits(
            parts,
            labels,
            list(rows.part_names),
            val_share=config.val_share,
            test_share=config.test_share,
            seed=config.split_seed,
            stated=config.parts,
        )
    except ValueError as error:
        raise ValueError(f"data.source: {config.source}: {error}") from error


_COUNTED = {"class": "images", "label-map": "pixels", "objects": "objects"}


def _on_classes(config: DataConfig, source: Source, counted: dict, seen: list[str]) -> dict:
    """The notes, and the names of the splits, with what tables must say about the test part."""
    class_counts, names = counted["class_counts"], dict(counted["split_names"])
    try:
        unit = "labels" if has_label_sets(source) else _COUNTED[source.annotation]
        notes = overlap_notes(counted["class_names"], class_counts, unit)
    except ValueError as error:
        raise ValueError(f"data.source: {config.source}: {error}") from error
    if unit == "images" and (num_untrained := untrained_images(class_counts)):
        num_test = sum(class_counts["test"])
        names["test"] += f", {num_untrained} of {num_test} of classes without training images"
    return {"split_names": names, "notes": [*source.notes, *seen, *notes]}


def _write_tables(output: Path, columns: Columns, plan: SplitPlan) -> None:
    write_manifest(output / "manifest.csv", columns, plan.codes)
    write_index(output / "index.npz", columns, plan.codes)


def _content_digest(
    output: Path,
    targets: TargetWriter | None,
    class_names: tuple[str, ...],
    category_ids: list[int],
    grey_limits: tuple[float, float] | None,
    channels: ChannelReading | None,
    label_sets: np.ndarray | None,
) -> str:
    """Digest of images, splits, labels, and of label maps or objects; independent of paths and storage."""
    digests = [sha256_of_file(output / "manifest.csv")]
    if targets is not None:
        digests += [targets.digest, category_ids]
    if grey_limits is not None:  # the files alone do not determine the pixels
        digests.append(list(grey_limits))
    if channels is not None:  # likewise
        read = channels.options
        digests.append([read.num_channels, read.channel_axis, read.window_of_header, channels.limits])
        digests += [] if read.frame is None else [read.frame]
    if label_sets is not None:
        digests.append(write_label_sets(output, label_sets))
    return sha256_of_json([*digests, list(class_names)])


def _source(config: DataConfig) -> str:
    if config.source == PHOTO_SCENES or is_url(config.source):
        return config.source
    return str(Path(config.source).resolve())


def _name(config: DataConfig) -> str:
    """Name of the data set in tables: the folder's or file's name without its suffixes."""
    if config.source == PHOTO_SCENES:
        return f"{PHOTO_SCENES} ({config.photo_scenes.drawing})"
    path = Path(config.source).resolve()
    if path.is_dir():
        return path.name
    name = path.name
    for suffix in (".gz", ".bz2", ".xz", ".tgz", ".tar", ".zip", ".npz", ".h5", ".hdf5", *_TABLE_SUFFIXES):
        name = name.removesuffix(suffix)
    return name
