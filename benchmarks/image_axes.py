"""Axes of growth with the number of images, for programs that read no pixels."""

from benchmarks.growth import Axis
from benchmarks.many_images import BATCH_SIZE, STEPS

_TOY = (1000, 2000)
_IMAGES, _MANY_IMAGES = (80_000, 320_000, 1_280_000), (320_000, 1_280_000, 14_000_000)


def _images(count: int) -> dict[str, int]:
    return {"images": count}


def _search(dtype: str) -> Axis:
    return Axis(
        f"images in a bank on disk, {dtype}", "disk-search", (20_000, 40_000, 80_000), (200, 400),
        lambda rows: {"bank": rows, "channels": 768, "queries": 500, "k": 20, "dtype": dtype},
        "k-NN of 500 queries, 768 channels", (80_000, 320_000, 1_280_000),
    )  # fmt: skip


def _command(name: str, description: str) -> Axis:
    return Axis(
        f"images, {description}", "idle-graph", _IMAGES, _TOY,
        lambda images: {"images": images, "command": name},
        "a finished experiment of shards of 10,000 images", _MANY_IMAGES,
    )  # fmt: skip


IMAGE_AXES: tuple[Axis, ...] = (
    _command("all", "`doit run all` with nothing to do"),
    _command("status", "`doit list --all --status`"),
    _command("plan", "`doit run plan`"),
    Axis(
        "images of an opened set", "opened-set", _IMAGES, _TOY, _images,
        "opening a prepared set of shards, which stays open", _MANY_IMAGES,
    ),
    Axis(
        "images in one order", "whole-order", _IMAGES, _TOY, _images,
        f"first {STEPS} steps of an epoch, {BATCH_SIZE} images each, shuffled over the whole set",
        _MANY_IMAGES,
    ),
    Axis(
        "images in blocks", "buffered-order", _IMAGES, _TOY, _images,
        f"first {STEPS} steps of an epoch, {BATCH_SIZE} images each, blocks of 256 in a buffer of 8,192",
        _MANY_IMAGES,
    ),
    Axis(
        "images in shards", "shard-list", (5000, 10_000, 20_000), _TOY, _images,
        "listing shards of 10,000 images", (320_000, 1_280_000, 14_000_000),
    ),
    Axis(
        "images to prepare", "prepared-tables", (10_000, 20_000, 40_000), _TOY, _images,
        "preparing without reading and decoding", _MANY_IMAGES,
    ),
    Axis(
        "files to prepare", "preparing", (500, 1000, 2000), (60, 120),
        lambda images: {"images": images, "side": 32},
        "preparing JPEG files of 32 x 32 px, two workers", (20_000, 80_000, 320_000),
    ),
    Axis(
        "images of a report", "reported-images", (10_000, 20_000, 40_000), _TOY, _images,
        "looking for duplicate images, and the page of two arms, from drawn artifacts",
        (80_000, 320_000, 1_280_000),
    ),
    _search("float32"),
    _search("float16"),
)  # fmt: skip
