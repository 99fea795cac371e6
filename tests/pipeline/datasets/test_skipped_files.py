import io
import tarfile
import zipfile

import pytest

from pipeline.datasets.archive import Archive
from pipeline.datasets.skipped_files import SkippedFiles


@pytest.mark.parametrize(
    ("folder", "name", "words"),
    [
        ("train", "metadata.csv", "columns beside an image folder"),
        ("", "data.yaml", "YOLO's description"),
        ("labels/train", "x.txt", "YOLO or captions"),
        ("a", "1.json", "labelme"),
        ("", "imagelabels.mat", "MATLAB's tables"),
        ("val", "val_annotations.txt", "tables of classes"),
        ("labels", "train1.txt", "lists of official splits"),
        ("", "_annotations.coco.json", "annotations"),
        ("", "labels.jsonl", "tables"),
        ("", "labels.xlsx", "tables"),
        ("train", "train_labels.txt", "lists of labels"),
        ("", "labels.npy", "by its name"),
        ("", "y_labels.pkl", "by its name"),
        ("", "class_to_idx.json", "by its name"),
        ("", "ground_truth.mat", "by its name"),
        ("", "via_region_data.json", "by its name"),
        ("a", "annotations.xml", "by its name"),
        ("", "list_attr_celeba.txt", "by its name"),
        ("", "identity_CelebA.txt", "by its name"),
        ("", "names.txt", "by its name"),
        ("", "meta.yaml", "by its name"),
        ("", "splits.h5", "by its name"),
        ("", "train.lst", "MXNet's records"),
        ("", "train.rec", "MXNet's records"),
    ],
)
def test_labels_are_told_by_their_names(folder, name, words):
    found = SkippedFiles()
    found.add(folder, [name], {"1"})
    path = f"{folder}/{name}" if folder else name
    assert found.notes()[1].startswith(f"caution: labels that lie there are not read: {path} ({words}")


def test_other_files_are_only_counted():
    found = SkippedFiles()
    found.add("a", ["README.md", "LICENSE", "1.CR2", "2.cr2", "glass.txt", "target practice.pdf"], {"1"})
    (note,) = found.notes()
    assert (
        note
        == "skipped: 2 .cr2, 1 (no suffix), 1 .md, 1 .pdf, 1 .txt files, which are no images that can be read"
    )


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_archives_name_their_class_fields(tmp_path, png, kind):
    path = tmp_path / f"shard.{kind}"
    files = {"0.png": png(0), "0.cls": b"3", "1.png": png(1), "1.cls": b"4"}
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    else:
        with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as archive:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    source = Archive(path, max_bytes=10**6)
    assert [entry.path for entry in source.entries()] == ["0.png", "1.png"]
    words = "caution: labels that lie there are not read: 0.cls (WebDataset's class fields; 2 files)"
    assert source.notes[1] == words


def test_tables_are_named():
    skipped_files = SkippedFiles()
    skipped_files.add("", ["labels of mine.tsv", "notes.md"], set())
    assert skipped_files.notes()[1] == (
        "caution: labels that lie there are not read: labels of mine.tsv (tables; 1 files); "
        'data.format = "csv" reads a list of images, or says why not'
    )
