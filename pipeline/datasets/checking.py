"""Decodes every image once and checks its annotation, in parallel and in order."""

import hashlib
import itertools
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline.datasets.channel_sums import channel_sums
from pipeline.datasets.channels.reading import ChannelReading
from pipeline.datasets.channels.statistics import moments
from pipeline.datasets.decode import FULL_GREY, UndecodableImage, decode, rgb_from_array
from pipeline.datasets.label_like import is_lossy, looks_like_labels
from pipeline.datasets.source import BadAnnotation, Entry, Packed, Source

_SERIAL_BELOW = 256  # images; fewer are decoded faster than worker processes start
_CHUNK_IMAGES = 64
_CHUNK_BYTES = 2**21  # of files
_RETURNED_BYTES = 2**25  # of pixels in one result of a worker, apart from a single larger image
_LEVELS = np.arange(256, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of one image after decoding it."""

    reason: str | None  # why it cannot be used; None: usable
    width: int = 0
    height: int = 0
    digest: bytes = b""  # SHA-256 of the file's bytes; for arrays of the pixels
    # Sums of R, G, B, then of their squares, over pixels in 0..255; for images with channels, `moments`.
    sums: tuple[float, ...] = (0,) * 6
    is_label_like: bool = False  # see `pipeline.datasets.label_like`
    pixels: bytes | None = None  # (H, W, 3) uint8 or (H, W, C) float32 in C order, if requested
    target: Packed | None = None  # of annotated sources


def check(
    source: Source,
    entry: Entry,
    *,
    max_pixels: int,
    keep_pixels: bool,
    grey_range: tuple[float, float] | None = FULL_GREY,
    channels: ChannelReading | None = None,
) -> Checked:
    """Read and decode one image and its label map or objects.

    A problem with them is returned as a reason, not raised.

    Args:
        grey_range: as in `pipeline.datasets.decode.decode`.
        channels: how images with channels are read; None: they are 8-bit RGB.
    """
    if entry.problem is not None:
        return Checked(entry.problem)
    try:
        target = None if source.annotation == "class" else source.target(entry)
        content = entry.data if entry.data is not None else source.read(entry.path, entry.start, entry.size)
        if channels is not None:
            pixels = channels.pixels(entry.path, content)
            digest = hashlib.sha256(content if isinstance(content, bytes) else pixels).digest()
        elif isinstance(content, bytes):
            # Annotations of unknown size are taken to be made on the image as stored.
            is_upright = target is None or target.is_upright
            annotated_size = None if is_upright else target.size or (0, 0)
            pixels = decode(
                content, max_pixels=max_pixels, annotated_size=annotated_size, grey_range=grey_range
            )
            digest = hashlib.sha256(content).digest()
        else:
            pixels = np.ascontiguousarray(rgb_from_array(content))
            digest = hashlib.sha256(pixels).digest()
        height, width, _ = pixels.shape
        packed = None if target is None else target.packed(width, height)
    except (UndecodableImage, BadAnnotation) as error:
        return Checked(str(error))
    except OSError as error:
        return Checked(f"cannot be read: {error.strerror or error}")
    kept = pixels.tobytes() if keep_pixels else None
    if channels is not None:
        return Checked(None, width, height, digest, moments(pixels), pixels=kept, target=packed)
    if is_lossy(entry.path):  # then it cannot be a label map
        sums, is_label_like = channel_sums(pixels), False
    else:
        sums, num_levels = channel_statistics(pixels)
        is_label_like = looks_like_labels(pixels, num_levels)
    return Checked(None, width, height, digest, sums, is_label_like, kept, packed)


def channel_statistics(pixels: np.ndarray) -> tuple[tuple[int, ...], int]:
    """(exact sums of R, G, B and of their squares, number of distinct values in the channel with most).

    Args:
        pixels: (H, W, 3) uint8.
    """
    histogram = np.array(Image.fromarray(pixels).histogram(), dtype=np.int64).reshape(3, 256)
    sums = (*(histogram @ _LEVELS).tolist(), *(histogram @ _LEVELS**2).tolist())
    return sums, int((histogram > 0).sum(axis=1).max())


def check_all(
    source: Source,
    *,
    max_pixels: int,
    keep_pixels: Callable[[], bool],
    num_workers: int,
    grey_range: tuple[float, float] | None = FULL_GREY,
    channels: ChannelReading | None = None,
) -> Iterator[tuple[Entry, Checked]]:
    """Check every entry of a source; results come in the order of its entries, for any number of workers.

    Memory stays bounded: only a few chunks of files and results are in progress at a time.

    Args:
        keep_pixels: called for every chunk; whether its results shall contain the pixels.
        num_workers: processes; with 1, with few images and for arrays in memory, this process does the work.
        grey_range, channels: as in `check`.

    Raises:
        RuntimeError: a worker process died.
    """
    entries = source.entries()
    first = list(itertools.islice(entries, _SERIAL_BELOW))
    entries = itertools.chain(first, entries)
    if num_workers == 1 or source.access == "memory" or len(first) < _SERIAL_BELOW:
        for entry in entries:
            checked = check(
                source,
                entry,
                max_pixels=max_pixels,
                keep_pixels=keep_pixels(),
                grey_range=grey_range,
                channels=channels,
            )
            yield entry, checked
        return
    # Spawned, because a fork of a process with threads (a progress bar's is enough) can deadlock.
    context = multiprocessing.get_context("spawn")
    initial = (source, max_pixels, grey_range, channels)
    pool = ProcessPoolExecutor(num_workers, context, initializer=_start_worker, initargs=initial)
    try:
        yield from _in_order(pool, _chunks(entries), keep_pixels, max_under_way=2 * num_workers + 2)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(
    pool: ProcessPoolExecutor,
    chunks: Iterator[list[Entry]],
    keep_pixels: Callable[[], bool],
    max_under_way: int,
) -> Iterator[tuple[Entry, Checked]]:
    under_way: deque[tuple[list[Entry], Future]] = deque()
    chunk: list[Entry] = []
    try:
        while True:
            for chunk in itertools.islice(chunks, max_under_way - len(under_way)):
                under_way.append((chunk, pool.submit(_check_chunk, chunk, keep_pixels())))
            if not under_way:
                return
            chunk, future = under_way.popleft()
            answers = future.result()
            # A worker stops early when its result grows large; the rest of the chunk is next.
            if rest := chunk[len(answers) :]:
                under_way.appendleft((rest, pool.submit(_check_chunk, rest, keep_pixels())))
            yield from zip(chunk, answers, strict=False)
    except BrokenProcessPool as error:
        raise RuntimeError(
            f"a worker process died while decoding (killed, out of memory, or crashed by a file); "
            f"it happened at or soon after {chunk[0].path!r}"
        ) from error


def _chunks(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    chunk: list[Entry] = []
    num_bytes = 0
    for entry in entries:
        chunk.append(entry)
        num_bytes += max(entry.size, 0)
        if len(chunk) == _CHUNK_IMAGES or num_bytes >= _CHUNK_BYTES:
            yield chunk
            chunk, num_bytes = [], 0
    if chunk:
        yield chunk


# Set once per worker process: the source is sent when the worker starts, not with every chunk.
_worker_source: Source
_worker_max_pixels: int
_worker_grey_range: tuple[float, float] | None
_worker_channels: ChannelReading | None


def _start_worker(
    source: Source,
    max_pixels: int,
    grey_range: tuple[float, float] | None,
    channels: ChannelReading | None,
) -> None:
    global _worker_source, _worker_max_pixels, _worker_grey_range, _worker_channels
    _worker_source, _worker_max_pixels, _worker_grey_range = source, max_pixels, grey_range
    _worker_channels = channels
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End with the parent process: if it is killed, its workers would wait for work for ever."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _check_chunk(entries: list[Entry], keep_pixels: bool) -> list[Checked]:
    answers: list[Checked] = []
    num_bytes = 0
    for entry in entries:
        answers.append(
            check(
                _worker_source,
                entry,
                max_pixels=_worker_max_pixels,
                keep_pixels=keep_pixels,
                grey_range=_worker_grey_range,
                channels=_worker_channels,
            )
        )
        num_bytes += len(answers[-1].pixels or b"")
        if num_bytes >= _RETURNED_BYTES:
            break
    return answers
