"""Shards of a prepared set: read by webdataset and by this project, written whole or not at all."""

import gc
import io
import itertools
import json
import sys
import tarfile
import warnings

import numpy as np
import pytest
from PIL import Image

from pipeline.config.data import DataConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from pipeline.shards import writing
from pipeline.shards.writing import Sharding, write_shards

MIB = 2**20


@pytest.fixture
def folder(tmp_path):
    """30 images of three classes to train on, and 9 to test on; PNG and JPEG."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 10), ("test", 3)):
        for name, number in itertools.product(("cat", "dog", "ox"), range(count)):
            path = tmp_path / "photos" / split / name / f"{number}.{'png' if number % 2 else 'jpeg'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)).save(path)
    return tmp_path / "photos"


@pytest.fixture
def webdataset(monkeypatch):
    """The library that shards are named for; without PyTorch, which it imports where it can."""
    monkeypatch.setitem(sys.modules, "torch", None)
    return pytest.importorskip("webdataset", reason="the other reader and writer of shards")


@pytest.fixture
def prepared(tmp_path):
    numbers = itertools.count()

    def run(source, **section):
        output = tmp_path / f"prepared-{next(numbers)}"
        prepare(DataConfig(source=str(source), **section), output, num_workers=1)
        return PreparedDataset.open(output)

    return run


def write(dataset, output, *, max_bytes=MIB, num_threads=2, seed=0, **options):
    return write_shards(Sharding(dataset, max_bytes, seed), output, num_threads=num_threads, **options)


def contents(dataset):
    """Split, class and pixels of every image, in an order of their own."""
    return sorted(
        (split, dataset.labels[row] if dataset.labels[row] < 0 else dataset.class_names[dataset.labels[row]],
         dataset.image(row).tobytes())
        for split in ("train", "val", "test")
        for row in dataset.indices(split)
    )  # fmt: skip


@pytest.mark.parametrize("stored", [True, False])
def test_what_is_written_is_prepared_again_equal(folder, prepared, tmp_path, stored):
    dataset = prepared(folder, max_store_gib=2.0 if stored else 0.0)
    shards = write(dataset, tmp_path / "shards", max_bytes=20_000)
    assert len(shards) > 3
    again = prepared(tmp_path / "shards", max_store_gib=0.0)
    assert again.summary["format"] == "webdataset"
    assert again.class_names == dataset.class_names == ["cat", "dog", "ox"]
    assert contents(again) == contents(dataset)
    # The files are those of the source, byte by byte.
    files = {path.read_bytes() for path in folder.rglob("*.*")}
    assert set(again.contents(range(len(again)))) == files


def test_the_library_reads_our_shards(webdataset, folder, prepared, tmp_path):
    dataset = prepared(folder)
    shards = write(dataset, tmp_path / "shards", max_bytes=20_000)
    urls = [str(tmp_path / "shards" / shard.name) for shard in shards]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the library leaves shards open
        samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
        gc.collect()
    assert len(samples) == len(dataset) == sum(shard.num_images for shard in shards)
    for sample in samples:
        row = int(sample["__key__"])
        image = next(sample[suffix] for suffix in ("png", "jpeg") if suffix in sample)
        assert np.array_equal(image, dataset.image(row))
        assert sample["cls"] == dataset.labels[row]


def test_we_read_the_shards_of_the_library(webdataset, prepared, tmp_path):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (12, 8, 9, 3), np.uint8)
    (tmp_path / "theirs").mkdir()
    pattern = str(tmp_path / "theirs" / "train-%04d.tar")
    with webdataset.ShardWriter(pattern, maxcount=5, verbose=0) as writer:
        for number, image in enumerate(images):
            writer.write({"__key__": f"s{number:03d}", "png": image, "cls": number % 3})
    dataset = prepared(tmp_path / "theirs", max_store_gib=0.0, val_share=0.0, test_share=0.0)
    assert dataset.labels.tolist() == [number % 3 for number in range(12)]
    for number, image in enumerate(dataset.images(range(12))):
        assert np.array_equal(image, images[number])


def test_no_shard_is_larger_than_was_asked_for(folder, prepared, tmp_path):
    dataset = prepared(folder)
    shards = write(dataset, tmp_path / "shards", max_bytes=40_000)
    sizes = [(tmp_path / "shards" / shard.name).stat().st_size for shard in shards]
    assert sizes == [shard.num_bytes for shard in shards]
    assert max(sizes) <= 40_000
    assert len([s for s in shards if s.name.startswith("train")]) < len(dataset.indices("train")) / 2
    one_by_one = write(dataset, tmp_path / "small", max_bytes=1)
    assert {shard.num_images for shard in one_by_one} == {1}


def test_training_images_lie_in_a_random_order_that_the_seed_gives(folder, prepared, tmp_path):
    dataset = prepared(folder, max_store_gib=0.0)
    for seed in (0, 0, 1):
        write(dataset, tmp_path / f"{seed}", seed=seed) if not (tmp_path / f"{seed}").exists() else write(
            dataset, tmp_path / "again", seed=seed
        )
    digest = {name: (tmp_path / name / "train-000000.tar").read_bytes() for name in ("0", "again", "1")}
    assert digest["0"] == digest["again"] != digest["1"]
    with tarfile.open(tmp_path / "0" / "train-000000.tar") as tar:
        labels = [int(tar.extractfile(member).read()) for member in tar if member.name.endswith(".cls")]
    assert sorted(labels) != labels


def test_what_was_finished_is_not_written_again(folder, prepared, tmp_path, monkeypatch):
    dataset, output = prepared(folder), tmp_path / "shards"
    expected = write(dataset, tmp_path / "whole", max_bytes=20_000)

    def dies(count, seen=[]):  # noqa: B006 - counts over calls
        seen.append(count)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(dataset, output, max_bytes=20_000, progress=dies)
    assert not output.exists()
    assert len(list((tmp_path / "shards.parts").glob("*.tar"))) == 3
    with pytest.raises(ValueError, match=r"shards\.parts: unfinished shards of another max_bytes; delete"):
        write(dataset, output, max_bytes=30_000)
    read = []
    original = writing._Samples._image
    monkeypatch.setattr(writing._Samples, "_image", lambda self, row: read.append(row) or original(self, row))
    assert write(dataset, output, max_bytes=20_000) == expected
    assert len(read) == len(dataset) - sum(shard.num_images for shard in expected[:3])
    for path in (tmp_path / "whole").iterdir():
        assert (output / path.name).read_bytes() == path.read_bytes(), path.name
    assert not (tmp_path / "shards.parts").exists()
    with pytest.raises(FileExistsError, match="shards: is there already"):
        write(dataset, output)


def test_a_file_that_changed_after_preparing_is_not_written(folder, prepared, tmp_path):
    dataset = prepared(folder)
    path = next(folder.rglob("train/cat/1.png"))
    Image.new("RGB", (30, 20)).save(path)
    with pytest.raises(ValueError, match=r"train/cat/1\.png: has changed since it was prepared"):
        write(dataset, tmp_path / "shards")
    assert not (tmp_path / "shards").exists()


def test_arrays_become_png_of_equal_pixels_without_classes(prepared, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (9, 6, 6, 3), np.uint8)
    np.savez(tmp_path / "a.npz", train_images=images)
    dataset = prepared(tmp_path / "a.npz")
    write(dataset, tmp_path / "shards")
    again = prepared(tmp_path / "shards")
    assert again.summary["format"] == "webdataset"
    assert again.class_names == []
    assert contents(again) == contents(dataset)


def test_annotated_sets_and_names_of_two_lines_are_refused(folder, prepared, tmp_path):
    config = {"drawing": "mosaics", "num_train": 3, "num_val": 1, "num_test": 1}
    mosaics = prepared("photo-scenes", photo_scenes=config)
    with pytest.raises(ValueError, match="expected images with a class at most, found label-map"):
        Sharding(mosaics, MIB, 0)
    (folder / "train" / "cat").rename(folder / "train" / "c\nt")
    (folder / "test" / "cat").rename(folder / "test" / "c\nt")
    with pytest.raises(ValueError, match=r"one line of classnames\.txt, found 'c\\nt'"):
        Sharding(prepared(folder), MIB, 0)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: (d / "train-000001.tar").unlink(), r"index\.json: lists train-000001\.tar, which is not"),
        (
            lambda d: (d / "train-000001.tar").write_bytes((d / "train-000001.tar").read_bytes()[:-512]),
            r"train-000001\.tar: expected \d+ bytes by index\.json, found \d+",
        ),
        (
            lambda d: (d / "x.tar").write_bytes((d / "test-000000.tar").read_bytes()),
            r"index\.json: does not list x\.tar",
        ),
        (
            lambda d: (d / "index.json").write_text('{"kind": "hssl-shards"}'),
            r"index\.json: not a list of shards",
        ),
    ],
)
def test_shards_that_are_not_those_of_their_list_are_refused(folder, prepared, tmp_path, spoil, message):
    output = tmp_path / "shards"
    write(prepared(folder), output, max_bytes=20_000)
    spoil(output)
    with pytest.raises(ValueError, match=message):
        prepared(output)


def test_the_index_counts_and_digests(folder, prepared, tmp_path):
    import hashlib

    dataset = prepared(folder)
    write(dataset, tmp_path / "shards", max_bytes=20_000)
    index = json.loads((tmp_path / "shards" / "index.json").read_text())
    assert index["content_digest"] == dataset.content_digest
    assert sum(shard["num_images"] for shard in index["shards"]) == len(dataset)
    for shard in index["shards"]:
        content = (tmp_path / "shards" / shard["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == shard["sha256"]
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            assert sum(name.endswith(".cls") for name in tar.getnames()) == shard["num_images"]
