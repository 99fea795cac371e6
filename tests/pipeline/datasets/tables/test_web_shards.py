import io
import pickle
import tarfile

import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.catalog import detect, open_source
from pipeline.datasets.multilabel import read_label_sets


def shard(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def read(source, **section):
    name, found = open_source(DataConfig(source=str(source), **section))
    assert name == "webdataset"
    return found


def seen(source):
    return [(entry.path, entry.class_name, entry.split) for entry in source.entries()]


def test_samples_are_those_of_the_library(tmp_path, png):
    # Keys and labels as webdataset 1.0.2 reads these members; it keeps "./" in keys and reads hidden files.
    members = [
        ("__index__", b"x"),
        ("__meta__/a.png", png(0)),
        ("v1.0/a.png", png(1)),
        ("v1.0/a.cls", b"3"),
        ("./b.PNG", png(2)),
        ("./b.cls", b"10\n"),
        ("d/._b.png", b"macOS"),
        ("noext", b""),
        ("c.cam.png", png(3)),
        ("c.cam.cls", b"5"),
        ("__x.png", png(4)),
        ("__x.cls", b"6"),
        ("f.cls", b"7"),
        ("f.txt", b"words"),
        ("f.png", png(5)),
        ("b.cls", b"8"),
        ("b.png", png(6)),
    ]
    source = read(shard(tmp_path / "odd.tar", members))
    names = ["v1.0/a.png", "./b.PNG", "c.cam.png", "__x.png", "f.png", "b.png"]
    labels = ["3", "10", "5", "6", "7", "8"]
    assert [(path, label) for path, label, _ in seen(source)] == [
        (f"odd.tar/{name}", label) for name, label in zip(names, labels, strict=True)
    ]
    assert source.class_names == ("3", "5", "6", "7", "8", "10")
    again = pickle.loads(pickle.dumps(source))
    found = [again.read(entry.path, entry.start, entry.size) for entry in source.entries()]
    assert found == [png(number) for number in range(1, 7)]


def samples(png, first, labels):
    return [
        member
        for number, label in enumerate(labels, start=first)
        for member in ((f"{number}.cls", str(label).encode()), (f"{number}.png", png(number)))
    ]


def test_a_folder_of_shards_with_splits_and_names(tmp_path, png, write, prepared):
    for split, first, labels in (("train", 0, [0, 1, 1]), ("val", 10, [1, 0])):
        for number in range(2):
            name = tmp_path / f"set-{split}-{number:06d}.tar"
            shard(name, samples(png, first + 20 * number, labels))
    write(tmp_path / "classnames.txt", "zebra\napple\n")
    dataset = prepared(tmp_path, max_store_gib=0.0, val_share=0.0)
    assert dataset.class_names == ["zebra", "apple"]
    assert dataset.split_names == {"train": "set-train", "test": "set-val"}
    assert dataset.labels.tolist() == [0, 1, 1, 0, 1, 1, 1, 0, 1, 0]
    assert dataset.image(9).shape == (4, 5, 3)  # from its shard
    assert "names of classes: from classnames.txt" in dataset.summary["notes"]


def test_a_pattern_names_shards(tmp_path, png, prepared):
    for number in range(3):
        shard(tmp_path / f"{number:02d}.tar", samples(png, 10 * number, [0, 1]))
    dataset = prepared(tmp_path / "{00..01}.tar", max_store_gib=0.0)
    assert len(dataset) == 4
    assert dataset.image(3).shape == (4, 5, 3)


def test_labels_in_json_by_their_key(tmp_path, png):
    members = [("1.json", b'{"label": "cat", "width": 5, "kind": 2}'), ("1.png", png(1)), ("2.png", png(2))]
    source = read(shard(tmp_path / "0.tar", members), format="webdataset")
    assert [label for _, label, _ in seen(source)] == ["cat", None]
    assert source.notes[-1].startswith("caution: 1 of 2 samples have no label")
    source = read(tmp_path / "0.tar", format="webdataset", columns={"label": "kind"})
    assert [label for _, label, _ in seen(source)] == ["2", None]


def test_a_tar_of_images_stays_an_archive(tmp_path, png):
    shard(tmp_path / "a.tar", [("cat/1.png", png(1)), ("cat/1.json", b"{}")])
    assert detect(DataConfig(source=str(tmp_path / "a.tar"))) == "archive"


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (
            [("a/b.s0.cls", b"0"), ("a/b.s0.png", b"x"), ("a/b.s1.png", b"x")],
            r"0\.tar: a/b: expected one image in a sample, found the fields s0\.png, s1\.png: a key ends at",
        ),
        (
            [("1.cls", b"0"), ("1.cls", b"1")],
            r"0\.tar: 1: expected fields of different names, found cls twice",
        ),
        ([("1.cls", b"\xff\xfe"), ("1.png", b"x")], r"0\.tar: 1\.cls: expected text, found b'"),
        ([("1.cls", b"0.5"), ("1.png", b"x")], r"0\.tar: 1\.cls: expected a class, found the number 0\.5"),
    ],
)
def test_a_wrong_shard_is_one_clear_error(tmp_path, members, words):
    with pytest.raises(ValueError, match=words):
        list(read(shard(tmp_path / "0.tar", members), format="webdataset").entries())


def test_wrong_names_and_compressed_shards_are_refused(tmp_path, png, write):
    shard(tmp_path / "0.tar", samples(png, 0, [0, 2]))
    write(tmp_path / "classes.txt", "a\nb\n")
    with pytest.raises(ValueError, match=r"classes\.txt: expected a line for each class up to 2, found 2"):
        list(read(tmp_path).entries())
    with tarfile.open(tmp_path / "1.tar.gz", "w:gz"):
        pass
    with pytest.raises(ValueError, match=r"1\.tar\.gz: expected a plain shard"):
        read(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"7\.tar does not exist"):
        read(tmp_path / "{7..9}.tar")


def test_labels_can_be_left_out(tmp_path, png):
    source = read(
        shard(tmp_path / "0.tar", [("1.cls", b"1 2 | 3"), ("1.png", png(1))]), columns={"label": ""}
    )
    assert seen(source) == [("0.tar/1.png", None, None)]
    assert source.notes[-1] == "labels: left out, as data.columns states"


@pytest.fixture
def remote(png):
    """Shards behind a URL of fsspec that needs no network, and their URL."""
    pytest.importorskip("upath", reason="URLs need the extra remote")
    import fsspec

    storage = fsspec.filesystem("memory")
    for split, first in (("train", 0), ("train", 4), ("val", 8)):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for name, content in samples(png, first, [0, 1, 1, 0]):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        storage.pipe(f"/bucket/set/{split}-{first // 4:02d}.tar", stream.getvalue())
    storage.pipe("/bucket/set/classnames.txt", b"zebra\napple\n")
    yield "memory://bucket/set"
    storage.rm("/bucket", recursive=True)


def test_shards_behind_a_url_are_read_in_place(remote, png, prepared, tmp_path):
    dataset = prepared(remote, max_store_gib=0.0, val_share=0.0)
    assert dataset.summary["source"] == remote
    assert dataset.class_names == ["zebra", "apple"]
    assert dataset.labels.tolist() == [0, 1, 1, 0] * 3
    assert dataset.indices("test").tolist() == [8, 9, 10, 11]
    assert dataset.contents([9, 2, 3]) == [png(9), png(2), png(3)]
    assert not list(tmp_path.rglob("*.tar")), "nothing is copied to disk"


def test_a_pattern_and_a_shard_behind_a_url(remote, png, prepared):
    pattern = prepared(f"{remote}/train-{{00..01}}.tar", max_store_gib=0.0)
    assert len(pattern) == 8
    assert pattern.contents([7]) == [png(7)]
    single = prepared(f"{remote}/train-01.tar", max_store_gib=0.0)
    assert single.contents([0]) == [png(4)]


def test_what_a_url_lacks_is_one_line(remote, prepared):
    with pytest.raises(ValueError, match=r"memory://bucket/none: expected \.tar shards, found none"):
        prepared("memory://bucket/none")
    with pytest.raises(ValueError, match=r"nosuch://b/x: fsspec does not know such URLs"):
        prepared("nosuch://b/x")
    dataset = prepared(remote, max_store_gib=0.0)
    import fsspec

    fsspec.filesystem("memory").rm("/bucket/set/train-01.tar")
    with pytest.raises(FileNotFoundError, match=r"set: train-01\.tar/4\.png: could be read when it was"):
        dataset.image(4)


def test_neighbours_in_a_shard_are_read_at_once(tmp_path, png, prepared, monkeypatch):
    for number in range(2):
        shard(tmp_path / f"{number}.tar", samples(png, 10 * number, [0, 1, 0, 1]))
    dataset = prepared(tmp_path, max_store_gib=0.0)
    files = dataset._images._source
    read, reads = files._range, []
    monkeypatch.setattr(files, "_range", lambda *place: reads.append(place) or read(*place))
    assert dataset.contents([5, 0, 3, 1]) == [png(11), png(0), png(3), png(1)]
    assert [name for name, *_ in reads] == ["0.tar", "1.tar"]
    for number, image in enumerate(dataset.images([6, 2])):
        assert image.tobytes() == dataset.image([6, 2][number]).tobytes()


def test_several_labels_for_each_sample(tmp_path, png, write, prepared):
    cells = [b'{"labels": ["cat", "dog"]}', b'{"labels": []}', b'{"labels": ["owl"]}', b'{"width": 5}']
    members = [m for n, cell in enumerate(cells) for m in ((f"{n}.json", cell), (f"{n}.png", png(n)))]
    shard(tmp_path / "s/train-0.tar", members)
    shard(tmp_path / "s/test-0.tar", [("9.json", b'{"labels": ["cat"]}'), ("9.png", png(9))])
    source = read(tmp_path / "s")
    assert source.class_names == ("cat", "dog", "owl")
    assert [entry.target for entry in source.entries()] == [("cat",), ("cat", "dog"), (), ("owl",), None]
    assert source.notes[1:] == (
        "labels: several for each image",
        "caution: 1 of 5 samples have no label: no field .cls, and no .json with a label; state "
        'data.columns = { label = "..." } for the key of a .json',
    )
    matrix = read_label_sets(prepared(tmp_path / "s", val_share=0.0))
    assert matrix.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1], [-1, -1, -1]]
    with pytest.raises(ValueError, match=r"test-0\.tar: 9\.json: expected one label, found \['cat'\]"):
        len(read(tmp_path / "s", labels="one").class_names)


@pytest.mark.parametrize("field", ["cls", "json"])
def test_samples_of_0_and_1_for_each_class(tmp_path, png, write, field):
    """As labels they would be the classes "0" and "1" of every image."""
    rows = [[0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]]
    members = [
        m for n, r in enumerate(rows) for m in ((f"{n}.{field}", str(r).encode()), (f"{n}.png", png(n)))
    ]
    source = read(shard(tmp_path / "0.tar", members), format="webdataset")
    assert source.class_names == ("0", "1", "2", "3")
    assert [entry.target for entry in source.entries()] == [("1", "3"), (), ("0",)]
    write(tmp_path / "classes.txt", "a\nb\nc\nd\n")
    named = read(tmp_path / "0.tar", format="webdataset")
    assert [entry.target for entry in named.entries()] == [("b", "d"), (), ("a",)]


def test_shards_are_told_by_labels_in_json(tmp_path, png):
    shard(tmp_path / "0.tar", [("1.json", b'{"label": 3}'), ("1.png", png(1))])
    assert seen(read(tmp_path)) == [("0.tar/1.png", "3", None)]


def test_captions_alone_are_images_without_labels(tmp_path, png):
    members = [
        (f"{n:04d}.{field}", content)
        for n in range(4)
        for field, content in (("png", png(n)), ("txt", b"words"))
    ]
    shard(tmp_path / "shards/00000.tar", members)
    source = read(tmp_path / "shards")
    assert [(split, label) for _, label, split in seen(source)] == [(None, None)] * 4
    assert "caution: 4 of 4 samples have no label" in source.notes[-1]


def test_a_tar_of_images_alone_is_no_shard_but_said(tmp_path, png, prepared):
    """As the training images of ImageNet are packed: one tar for each class."""
    for name in ("n01440764", "n01443537"):
        shard(tmp_path / f"set/{name}.tar", [(f"{name}_{n}.JPEG", png(n)) for n in range(3)])
    with pytest.raises(
        ValueError,
        match=r"no images found .*2 archives, of which n01440764\.tar holds 3 \.jpeg: state",
    ):
        prepared(tmp_path / "set")
    shard(tmp_path / "words/a.tar", [("0.txt", b"x"), ("1.txt", b"y"), ("0.json", b"{}")])
    with pytest.raises(ValueError, match=r"a\.tar holds 2 \.txt, 1 \.json: state"):
        prepared(tmp_path / "words")
    (tmp_path / "words/a.tar").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"1 archives: .*a\.tar: expected a \.zip or \.tar archive"):
        prepared(tmp_path / "words")


def test_labels_apart_from_their_images_are_refused(tmp_path, png):
    images = [(f"{n}.png", png(n)) for n in range(3)]
    labels = [(f"{n}.cls", b"1") for n in range(3)]
    source = read(shard(tmp_path / "a.tar", images + labels))
    with pytest.raises(
        ValueError, match=r"a\.tar: expected the files of a sample one after the other, found 0\.png"
    ):
        len(source)
    assert len(read(shard(tmp_path / "b.tar", [*images, ("9.cls", b"1")]))) == 3
