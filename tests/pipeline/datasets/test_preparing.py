import csv
import hashlib
import io
import json
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from pipeline.config.data import DataConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare


def rows(path):
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_manifest_summary_and_pixels(tmp_path, tree):
    paths = [f"train/{c}/{i}.png" for c in ("bird", 'größe, "x"') for i in range(10)] + ["val/bird/0.png"]
    root = tree(tmp_path / "photos", paths)
    summary = prepare(DataConfig(source=str(root)), tmp_path / "out")
    manifest = rows(tmp_path / "out/manifest.csv")
    assert sorted(row["path"] for row in manifest) == sorted(paths)
    for row in manifest:
        assert row["digest"] == hashlib.sha256((root / row["path"]).read_bytes()).hexdigest()
        assert (row["width"], row["height"]) == ("5", "4")
        assert summary["class_names"][int(row["label"])] == row["path"].split("/")[1]
    assert summary["counts"] == {"train": 18, "val": 2, "test": 1}
    assert summary["class_counts"]["val"] == [1, 1]
    assert summary["short_sides"] == [{"from": 4, "below": 8, "count": 21}]
    training = np.stack([Image.open(root / r["path"]) for r in manifest if r["split"] == "train"]) / 255
    assert np.allclose(summary["mean"], training.mean(axis=(0, 1, 2)), rtol=1e-12)
    assert np.allclose(summary["std"], training.std(axis=(0, 1, 2)), rtol=1e-9)
    dataset = PreparedDataset.open(tmp_path / "out")
    for i, row in enumerate(manifest):
        assert np.array_equal(dataset.image(i), np.asarray(Image.open(root / row["path"])))


def test_a_channel_that_does_not_vary_has_a_floor(tmp_path, rng):
    """Of two colours, or grey in one band: nothing is divided by zero."""
    (tmp_path / "photos").mkdir()
    for i in range(4):
        pixels = np.zeros((4, 5, 3), np.uint8)
        pixels[..., 0] = rng.integers(0, 256, (4, 5))
        pixels[..., 2] = 9
        Image.fromarray(pixels).save(tmp_path / f"photos/{i}.png")
    summary = prepare(DataConfig(source=str(tmp_path / "photos")), tmp_path / "out")
    assert summary["std"][0] > 0.1
    assert summary["std"][1:] == [1 / 255, 1 / 255]
    assert summary["flat_channels"] == ["G", "B"]
    dataset = PreparedDataset.open(tmp_path / "out")
    assert np.isfinite((dataset.image(0) / 255 - dataset.mean) / dataset.std).all()


def test_images_that_are_labelled_otherwise_are_refused_at_once(tmp_path, tree, png, label_png, write):
    root = tree(tmp_path / "photos", ["a.png", "b.png"])
    for annotation, words in (("objects", "objects"), ("label-map", "label maps")):
        config = DataConfig(source=str(root), annotation=annotation)
        with pytest.raises(
            ValueError, match=rf"expected {words}, found at most a class .*format image-folder"
        ):
            prepare(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    for i in range(5):
        write(tmp_path / f"data/images/{i}.png", png(i))
        write(tmp_path / f"data/masks/{i}.png", label_png([[0, 1, 1, 0, 1]] * 4))
    config = DataConfig(source=str(tmp_path / "data"), annotation="label-map", class_names=("a", "b"))
    assert prepare(config, tmp_path / "out")["annotation"] == "label-map"
    with pytest.raises(ValueError, match="expected objects, found label maps"):
        prepare(config.model_copy(update={"annotation": "objects"}), tmp_path / "out")
    with pytest.raises(ValueError, match=r"expected images with label maps .* found none in the parts test"):
        prepare(config.model_copy(update={"test_share": 0.0}), tmp_path / "untested")
    assert not (tmp_path / "untested/summary.json").exists()


def test_twins_across_splits_are_counted_and_stay(tmp_path, tree, png):
    root = tree(tmp_path / "photos", ["train/a/0.png", "train/a/1.png", "test/a/2.png", "test/a/3.png"])
    (root / "test/a/twin.png").write_bytes(png(0))
    summary = prepare(DataConfig(source=str(root), val_share=0), tmp_path / "out")
    assert summary["duplicates"]["test_in_train"] == 1
    assert summary["counts"] == {"train": 2, "val": 0, "test": 3}


def test_what_cannot_be_decoded_is_quarantined(tmp_path, tree, png):
    root = tree(tmp_path / "photos", [f"{i}.png" for i in range(10)])
    (root / "empty.png").write_bytes(b"")
    (root / "cut.png").write_bytes(png(1)[:80])
    (root / "words.jpg").write_text("words")
    (root / "bomb.png").write_bytes(png(1, 40, 40))
    config = DataConfig(source=str(root), max_bad_share=0.3, max_pixels=1000)
    summary = prepare(config, tmp_path / "out")
    reasons = {row["path"]: row["reason"] for row in rows(tmp_path / "out/quarantine.csv")}
    assert set(reasons) == {"empty.png", "cut.png", "words.jpg", "bomb.png"}
    assert "decompression bomb" in reasons["bomb.png"]
    assert (summary["num_images"], summary["num_quarantined"]) == (10, 4)
    with pytest.raises(ValueError, match=r"4 of 14 images .28\.6%. .*\n  bomb\.png: decompression"):
        prepare(config.model_copy(update={"max_bad_share": 0.01}), tmp_path / "strict")
    assert len(rows(tmp_path / "strict/quarantine.csv")) == 4
    assert not (tmp_path / "strict/summary.json").exists()


def test_the_same_files_for_any_number_of_workers(tmp_path, png):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for i in range(300):
            archive.writestr(f"{'ab'[i % 2]}/{i}.png", png(i))
    for workers in (1, 3):
        prepare(DataConfig(source=str(tmp_path / "a.zip")), tmp_path / str(workers), num_workers=workers)
    names = sorted(p.name for p in (tmp_path / "1").iterdir())
    assert names == ["index.npz", "manifest.csv", "pixels.bin", "quarantine.csv", "summary.json"]
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


def test_the_same_label_maps_for_any_number_of_workers(tmp_path, png, label_png, write, rng):
    for i in range(300):
        write(tmp_path / f"data/images/{i:03d}.png", png(i))
        write(tmp_path / f"data/masks/{i:03d}.png", label_png(rng.integers(0, 9 if i % 50 else 99, (4, 5))))
    config = DataConfig(source=str(tmp_path / "data"), max_bad_share=0.1, class_names=tuple("abcdefghi"))
    check_any_number_of_workers(config, tmp_path, {"label_maps.bin", "label_maps.npz"})


def test_the_same_objects_for_any_number_of_workers(tmp_path, png, write, rng):
    images, annotations = [], []
    for i in range(300):
        write(tmp_path / f"data/images/{i}.png", png(i))
        images.append({"id": i, "file_name": f"{i}.png", "width": 5, "height": 4})
        for left, top in rng.integers(0, 6 if i % 50 == 0 else 3, (i % 4, 2)).tolist():
            corners = [left, top, left + 2, top, left + 2, top + 1.5]
            annotations.append(
                {"id": len(annotations), "image_id": i, "category_id": 3, "bbox": [left, top, 2, 1]}
            )
            annotations[-1]["segmentation"] = [corners]
    found = {"images": images, "annotations": annotations, "categories": [{"id": 3, "name": "x"}]}
    write(tmp_path / "data/annotations/all.json", json.dumps(found))
    config = DataConfig(source=str(tmp_path / "data"), max_bad_share=0.1)
    check_any_number_of_workers(config, tmp_path, {"objects.npz", "segments.bin"})


def check_any_number_of_workers(config, tmp_path, files):
    for workers in (1, 3):
        summary = prepare(config, tmp_path / str(workers), num_workers=workers)
    assert summary["num_quarantined"] > 0
    names = {path.name for path in (tmp_path / "1").iterdir()}
    assert names == files | {"index.npz", "manifest.csv", "pixels.bin", "quarantine.csv", "summary.json"}
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


def test_the_content_digest_covers_annotations(tmp_path, png, label_png, write):
    write(tmp_path / "data/images/1.png", png(1))
    digests = set()
    for value, names in ((1, "ab"), (0, "ab"), (0, "ac"), (1, "ab")):
        write(tmp_path / "data/masks/1.png", label_png([[0, 1, 1, 0, value]] * 4))
        config = DataConfig(source=str(tmp_path / "data"), class_names=tuple(names))
        digests.add(prepare(config, tmp_path / "out")["content_digest"])
    assert len(digests) == 3


def test_nothing_but_unusable_label_maps(tmp_path, png, write):
    write(tmp_path / "data/images/1.png", png(1))
    write(tmp_path / "data/masks/1.png", b"no image")
    with pytest.raises(ValueError, match="1 of 1 images"):
        prepare(DataConfig(source=str(tmp_path / "data"), max_bad_share=1), tmp_path / "out")


def test_progress_ends_at_the_total(tmp_path, tree):
    calls = []
    root = tree(tmp_path / "photos", ["a.png", "b.png"])
    prepare(DataConfig(source=str(root)), tmp_path / "out", progress=lambda *call: calls.append(call))
    assert calls == [(1, 2), (2, 2)]


def test_the_store_goes_when_it_is_full(tmp_path, tree):
    root = tree(tmp_path / "photos", ["a.png", "b.png"])
    summary = prepare(DataConfig(source=str(root), max_store_gib=100 / 2**30), tmp_path / "out")
    assert summary["stored"] is False
    assert not list((tmp_path / "out").glob("pixels.bin*"))


def test_a_compressed_tar_must_fit_into_the_store(tmp_path, png):
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        info = tarfile.TarInfo("a.png")
        info.size = len(png(0))
        archive.addfile(info, io.BytesIO(png(0)))
    with pytest.raises(ValueError, match=r"compressed tar.*max_store_gib"):
        prepare(DataConfig(source=str(tmp_path / "a.tgz"), max_store_gib=0), tmp_path / "out")
    prepare(DataConfig(source=str(tmp_path / "a.tgz")), tmp_path / "out")
    assert PreparedDataset.open(tmp_path / "out").image(0).shape == (4, 5, 3)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"data\.source.*missing"):
        prepare(DataConfig(source=str(tmp_path / "missing")), tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no images found"):
        prepare(DataConfig(source=str(tmp_path / "empty")), tmp_path / "out")


@pytest.mark.parametrize(
    ("path", "counts", "test_name"),
    [
        pytest.param("cifar10/cifar10-subset.zip", (7200, 800, 2000), "test", marks=pytest.mark.slow),
        ("cifar10/imagefolder-mini", (90, 10, 50), "test"),
        ("cifar10/cifar10-mini.npz", (360, 40, 100), "test"),
        pytest.param("imagenette224", (900, 100, 400), "val", marks=pytest.mark.slow),
        ("fashion-mnist-idx", (2700, 300, 1000), "test"),
    ],
)
def test_sample_data(sample_data, tmp_path, path, counts, test_name):
    summary = prepare(DataConfig(source=str(sample_data / "classification" / path)), tmp_path)
    assert tuple(summary["counts"].values()) == counts
    assert summary["num_quarantined"] == 0
    assert len(summary["class_names"]) == 10
    assert summary["split_names"]["test"] == test_name
    assert all(len(set(summary["class_counts"][split])) == 1 for split in ("train", "val", "test"))
