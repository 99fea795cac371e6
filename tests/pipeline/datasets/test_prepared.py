import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from pipeline.config.data import DataConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare


@pytest.fixture
def source(tmp_path, tree):
    return tree(
        tmp_path / "photos",
        [f"{split}/{c}/{i}.png" for split in ("train", "test") for c in "ab" for i in range(9)],
    )


def open_prepared(source, output, **changes):
    prepare(DataConfig(source=str(source), **changes), output)
    return PreparedDataset.open(output)


def test_stored_images_are_read_only_views_of_one_map(source, tmp_path):
    dataset = open_prepared(source, tmp_path / "out")
    first = dataset.image(0)
    assert not first.flags.writeable
    assert np.shares_memory(first, dataset.image(0))
    assert dataset.mean.dtype == dataset.std.dtype == np.float32
    assert dataset.labels.dtype == np.int64
    assert len(dataset) == 36
    every = np.concatenate([dataset.indices(split) for split in ("train", "val", "test")])
    assert np.array_equal(np.sort(every), np.arange(36))


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_not_stored_equals_stored_from_many_threads(source, tmp_path, kind):
    expected = open_prepared(source, tmp_path / "stored")
    packed = source
    if kind == "zip":
        packed = tmp_path / "a.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in source.rglob("*.png"):
                archive.write(path, path.relative_to(source))
    elif kind == "tar":
        packed = tmp_path / "a.tar"
        with tarfile.open(packed, "w") as archive:
            archive.add(source, "wrapper")
    dataset = open_prepared(packed, tmp_path / "out", max_store_gib=0)
    assert not dataset.summary["stored"]
    assert np.array_equal(dataset.labels, expected.labels)
    with ThreadPoolExecutor(6) as pool:
        for i, image in enumerate(pool.map(dataset.image, range(len(dataset)))):
            assert np.array_equal(image, expected.image(i))
            assert dataset.path(i).endswith(expected.path(i))


def test_at_least_reduces_a_jpeg_that_is_decoded_now(tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (400, 300)).save(tmp_path / "photos/a.jpg")
    dataset = open_prepared(tmp_path / "photos", tmp_path / "out", max_store_gib=0)
    assert dataset.image(0).shape == (300, 400, 3)
    assert dataset.image(0, at_least=100).shape == (150, 200, 3)
    assert dataset.size(0) == (400, 300)


def test_a_changed_source_is_named(source, tmp_path, png):
    dataset = open_prepared(source, tmp_path / "out", max_store_gib=0)
    (source / dataset.path(0)).write_bytes(png(0, 8, 8))
    with pytest.raises(ValueError, match=r"expected 5 x 4 pixels.*found 8 x 8"):
        dataset.image(0)
    (source / dataset.path(1)).unlink()
    with pytest.raises(FileNotFoundError, match="could be read when it was prepared"):
        dataset.image(1)


def test_content_digest_tells_contents_not_places(source, tmp_path):
    first = open_prepared(source, tmp_path / "1").content_digest
    source.rename(tmp_path / "moved")
    assert open_prepared(tmp_path / "moved", tmp_path / "2").content_digest == first
    assert open_prepared(tmp_path / "moved", tmp_path / "3", split_seed=1).content_digest != first


def test_wrong_use(source, tmp_path):
    dataset = open_prepared(source, tmp_path / "out")
    with pytest.raises(ValueError, match="split must be one of"):
        dataset.indices("training")
    with pytest.raises(IndexError, match="image 36"):
        dataset.image(36)
    with pytest.raises(FileNotFoundError, match="run the task prepare"):
        PreparedDataset.open(tmp_path)
    with open(tmp_path / "out/pixels.bin", "ab") as stream:
        stream.write(b"x")
    with pytest.raises(ValueError, match=r"pixels\.bin: expected 2160 bytes, found 2161"):
        PreparedDataset.open(tmp_path / "out")


def test_accessors_of_another_annotation_say_what_there_is(source, tmp_path):
    dataset = open_prepared(source, tmp_path / "out")
    assert (dataset.annotation, dataset.category_ids) == ("class", [])
    for accessor in (dataset.label_map, dataset.objects, dataset.image_id):
        with pytest.raises(ValueError, match=r"photos: expected a data set with .*, found class"):
            accessor(0)
    config = {"drawing": "mosaics", "num_train": 3, "num_val": 1, "num_test": 1}
    mosaics = open_prepared("photo-scenes", tmp_path / "mosaics", photo_scenes=config)
    with pytest.raises(ValueError, match="expected a data set with objects, found label-map"):
        mosaics.objects(0)
    for i in (-1, 5):
        with pytest.raises(IndexError, match=f"image {i} of a data set of 5"):
            mosaics.label_map(i)


def test_targets_from_many_threads(tmp_path):
    config = {"drawing": "objects", "num_train": 20, "num_val": 1, "num_test": 1}
    dataset = open_prepared("photo-scenes", tmp_path / "out", photo_scenes=config)
    alone = [dataset.objects(i).masks(32, 32) for i in range(22)]
    with ThreadPoolExecutor(6) as pool:
        for i, objects in enumerate(pool.map(dataset.objects, range(22))):
            assert np.array_equal(objects.masks(32, 32), alone[i])
