"""Parts, resuming, and the files that they become; the network is a plain function here."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from pipeline.inference import embedding as module
from pipeline.inference.crops import View
from pipeline.inference.embedding import Embedding, OtherRun, embed, finished_images, unusable
from pipeline.inference.images import Decoding, open_images
from pipeline.inference.vector_files import WRITERS
from pipeline.transforms.evaluation import center_crops

STATISTICS = {"mean": np.full(3, 0.5, np.float32), "std": np.full(3, 0.25, np.float32)}
WHOLE = Decoding(max_pixels=10_000, grey_range=(0.0, 65535.0), reduced=False)


def means(crops):
    """Channel means as CLS, corners as the other vectors."""
    patches = crops[:, :, ::4, ::4].reshape(len(crops), 3, 4).transpose(0, 2, 1)
    return {"cls": crops.mean(axis=(2, 3)), "patch_mean": crops[:, :, 0, 0], "patches": patches}


@pytest.fixture
def folder(tmp_path, rng, monkeypatch):
    """23 images in split-like folders of several sizes; the images 3 and 9 are damaged."""
    monkeypatch.setattr(module, "_PART_IMAGES", 6)
    for index in range(23):
        path = tmp_path / "images" / ("train", "other")[index % 2] / f"{index:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8 + index, 11, 3), np.uint8)).save(path)
        if index in (3, 9):
            path.write_bytes(path.read_bytes()[:60])
    (tmp_path / "images" / "notes.txt").write_text("no image")
    return tmp_path / "images"


def embedding_of(folder, forward=means, **identity):
    source = open_images(str(folder), 10_000)
    view = View(8, 8, **STATISTICS)
    return Embedding(source, WHOLE, view, forward, {"backbone": "a"} | identity, 3, 100, num_threads=2)


def run(folder, parts, forward=means, **identity):
    seen = []
    found = embed(embedding_of(folder, forward, **identity), parts, lambda *counts: seen.append(counts))
    assert sum(images for images, _ in seen) == 23
    assert sum(bad for _, bad in seen) == 2
    return found


def test_every_image_has_its_vectors_and_damaged_ones_a_reason(folder, tmp_path):
    parts = run(folder, tmp_path / "parts")
    assert len(parts) == 4  # of 6, 6, 6 and 5 images: two whole batches
    WRITERS["npz"](tmp_path / "all.npz", parts)
    with np.load(tmp_path / "all.npz") as stored:
        paths, cls, patches = stored["path"].tolist(), stored["cls"], stored["patches"]
    assert paths[:3] == ["other/01.png", "other/05.png", "other/07.png"]
    assert len(paths) == 21
    assert patches.shape == (21, 4, 3)
    for path, vector in zip(paths, cls, strict=True):
        with Image.open(folder / path) as image:
            crop = center_crops([np.asarray(image)], 8, 8, **STATISTICS)
        np.testing.assert_array_equal(vector, crop.mean(axis=(2, 3))[0])
    bad = dict(unusable(parts))
    assert sorted(bad) == ["other/03.png", "other/09.png"]
    assert all("PNG" in reason for reason in bad.values())


@pytest.mark.parametrize("killed_at", [1, 3, 6])
@pytest.mark.parametrize("form", ["npz", "csv", "parquet"])
def test_a_killed_run_goes_on_and_ends_up_the_same(folder, tmp_path, killed_at, form):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    calls = []

    def killed(crops):
        calls.append(len(crops))
        if len(calls) == killed_at:
            raise KeyboardInterrupt
        found = means(crops)
        return found if form != "csv" else {name: found[name] for name in ("cls", "patch_mean")}

    with pytest.raises(KeyboardInterrupt):
        run(folder, tmp_path / "killed", killed)
    assert finished_images(embedding_of(folder), tmp_path / "killed") == (killed_at - 1) // 2 * 6
    resumed, whole = tmp_path / f"resumed.{form}", tmp_path / f"whole.{form}"
    WRITERS[form](resumed, run(folder, tmp_path / "killed", killed))
    assert len(calls) == killed_at + 8 - (killed_at - 1) // 2 * 2  # no batch of a whole part again
    WRITERS[form](whole, run(folder, tmp_path / "undisturbed", killed))
    assert resumed.read_bytes() == whole.read_bytes()


def test_parts_of_another_run_are_refused(folder, tmp_path):
    run(folder, tmp_path / "parts")
    with pytest.raises(OtherRun, match="with another backbone: delete it"):
        finished_images(embedding_of(folder, backbone="b"), tmp_path / "parts")
    before = embedding_of(folder).source.digest
    (folder / "train" / "00.png").write_bytes(b"other")
    assert embedding_of(folder).source.digest != before


def test_the_formats_hold_the_same_numbers(folder, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    parts = run(folder, tmp_path / "parts")
    for form, write in WRITERS.items():
        if form != "csv":
            write(tmp_path / f"all.{form}", parts)
    table = parquet.read_table(tmp_path / "all.parquet")
    assert parquet.ParquetFile(tmp_path / "all.parquet").num_row_groups == 4
    without = run(folder, tmp_path / "two", lambda c: {k: v for k, v in means(c).items() if k != "patches"})
    WRITERS["csv"](tmp_path / "all.csv", without)
    with open(tmp_path / "all.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with np.load(tmp_path / "all.npz") as stored:
        assert table["path"].to_pylist() == stored["path"].tolist() == [row["path"] for row in rows]
        for name in ("cls", "patch_mean", "patches"):
            np.testing.assert_array_equal(np.array(table[name].to_pylist(), np.float32), stored[name])
        again = np.array([[row[f"cls_{i}"] for i in range(3)] for row in rows], np.float32)
        np.testing.assert_array_equal(again, stored["cls"])


def test_a_vector_that_is_not_finite_names_its_image(folder, tmp_path):
    with pytest.raises(FloatingPointError, match=r"other/01\.png: cls of this image is not finite"):
        run(folder, tmp_path / "parts", lambda crops: means(crops) | {"cls": np.full((3, 3), np.nan)})
    assert json.loads((tmp_path / "parts" / "run.json").read_text()) == {"backbone": "a"}
    assert finished_images(embedding_of(folder), tmp_path / "parts") == 0
