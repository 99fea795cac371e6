import json
import pickle
import sys

import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.catalog import detect, open_source

NAMES = ["zebra", "apple", "melon"]
IMAGE, LABEL = {"_type": "Image"}, {"_type": "ClassLabel", "names": NAMES}


@pytest.fixture
def arrow():
    return pytest.importorskip("pyarrow", reason="tables need the extra hub")


@pytest.fixture
def table(arrow, png):
    """table(numbers, labels, features): rows as the `datasets` library stores them."""

    def make(numbers, labels, features=None, label="label"):
        cells = [{"bytes": png(number), "path": None} for number in numbers]
        kind = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
        made = arrow.table({"image": arrow.array(cells, kind), label: labels})
        features = {"image": IMAGE, label: LABEL} if features is None else features
        return made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})

    return make


@pytest.fixture
def parquet(arrow):
    import pyarrow.parquet

    def write(path, content, rows=2):
        path.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(content, path, row_group_size=rows)
        return path

    return write


def read(source, **section):
    return open_source(DataConfig(source=str(source), **section))[1]


def seen(source):
    return [(entry.path, entry.class_name, entry.split) for entry in source.entries()]


def test_sharded_parquet_with_class_names(tmp_path, table, parquet, png):
    parquet(tmp_path / "data/test-00000-of-00001.parquet", table([9], [-1]))
    parquet(tmp_path / "data/train-00000-of-00002.parquet", table([0, 1, 2], [2, 0, 1]))
    parquet(tmp_path / "data/train-00001-of-00002.parquet", table([3], [None]))
    source = read(tmp_path)
    assert seen(source) == [
        ("data/test-00000-of-00001.parquet/000000.png", None, "test"),
        ("data/train-00000-of-00002.parquet/000000.png", "melon", "train"),
        ("data/train-00000-of-00002.parquet/000001.png", "zebra", "train"),
        ("data/train-00000-of-00002.parquet/000002.png", "apple", "train"),
        ("data/train-00001-of-00002.parquet/000000.png", None, "train"),
    ]
    assert source.class_names == tuple(NAMES)
    assert len(source) == 5
    again = pickle.loads(pickle.dumps(source))  # the third row is in the second group
    assert again.read("data/train-00000-of-00002.parquet/000002.png", 2, -1) == png(2)


def test_parquet_is_read_again_after_preparing(tmp_path, table, parquet, prepared):
    train, test = table(range(8), [0, 1] * 4), table([20, 21], [0, 1])
    parquet(tmp_path / "s/train/0000.parquet", train)
    parquet(tmp_path / "s/test/0000.parquet", test)
    kept, read_again = prepared(tmp_path / "s", val_share=0.0), prepared(tmp_path / "s", max_store_gib=0.0)
    assert kept.split_names == {"train": "train", "test": "test"}
    for number in range(10):
        assert (kept.image(number) == read_again.image(number)).all()


def test_images_by_path_are_read_from_disk(tmp_path, arrow, parquet, tree, png):
    tree(tmp_path, ["photos/1.png", "photos/2.png"])
    paths = [
        str(tmp_path / "photos/1.png"),
        "../photos/2.png",
        str(tmp_path / "photos/3.png"),
        "/etc/hostname",
    ]
    kind = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    image = arrow.array([{"bytes": None, "path": path} for path in paths], kind)
    source = read(parquet(tmp_path / "t/list.parquet", arrow.table({"image": image, "label": [5, 7, 5, 5]})))
    entries = list(source.entries())
    assert [entry.data for entry in entries[:2]] == [png(0), png(1)]
    assert source.class_names == ("5", "7")
    assert entries[2].problem == "cannot be read: No such file or directory"
    assert entries[3].problem == "expected an image, found the path /etc/hostname"


def test_save_to_disk(tmp_path, arrow, table, prepared):
    for split, numbers in (("train", range(6)), ("test", range(10, 12))):
        content = table(numbers, [number % 2 for number in numbers])
        (tmp_path / "set" / split).mkdir(parents=True)
        file = tmp_path / "set" / split / "data-00000-of-00001.arrow"
        with arrow.OSFile(str(file), "wb") as sink, arrow.ipc.new_stream(sink, content.schema) as stream:
            stream.write_table(content, max_chunksize=4)
        (tmp_path / "set" / split / "state.json").write_text("{}")
    dataset = prepared(tmp_path / "set", max_store_gib=0.0, val_share=0.0)
    assert (dataset.name, dataset.class_names) == ("set", NAMES)
    assert dataset.summary["counts"] == {"train": 6, "val": 0, "test": 2}
    assert dataset.image(7).shape == (4, 5, 3)


def test_a_few_rows_are_in_memory_at_a_time(tmp_path, arrow, parquet):
    big = [b"\xff\xd8\xff" + bytes([number]) * 2**20 for number in range(128)]
    content = arrow.table({"image": big, "label": list(range(128))})
    source = read(parquet(tmp_path / "big.parquet", content, rows=8))
    del big, content
    before, most = arrow.total_allocated_bytes(), 0
    for _ in source.entries():
        most = max(most, arrow.total_allocated_bytes() - before)
    assert most < 40 * 2**20


@pytest.mark.parametrize(
    ("features", "label", "labels", "words"),
    [
        (None, "label", [3], r"row 0: expected a label below 3, as many as class names, found 3"),
        (
            {"image": IMAGE},
            "caption",
            ["x"],
            r"t\.parquet: expected a column of labels, found \['image', 'caption'\]",
        ),
        (
            {"image": IMAGE, "label": IMAGE},
            "label",
            [1],
            r"expected one column of images, found \['image', 'label'\]",
        ),
    ],
)
def test_a_wrong_table_is_one_clear_error(tmp_path, table, parquet, features, label, labels, words):
    parquet(tmp_path / "t.parquet", table([0], labels, features, label))
    with pytest.raises(ValueError, match=words):
        list(read(tmp_path / "t.parquet").entries())


@pytest.mark.parametrize("kind", ["Sequence", "List"])
def test_lists_of_labels_by_the_names_of_the_schema(tmp_path, table, parquet, kind):
    features = {"image": IMAGE, "labels": {"feature": LABEL, "_type": kind}}
    parquet(tmp_path / "t.parquet", table([0, 1, 2], [[0, 2], [], [1]], features, "labels"))
    source = read(tmp_path / "t.parquet")
    assert source.is_multilabel
    names = LABEL["names"]
    assert [entry.target for entry in source.entries()] == [(names[0], names[2]), (), (names[1],)]
    assert source.class_names == tuple(names)
    with pytest.raises(ValueError, match=r"row 0: expected one label, found \[0, 2\]: one label for each"):
        list(read(tmp_path / "t.parquet", labels="one").entries())


def test_lists_of_names_without_a_schema(tmp_path, table, parquet):
    parquet(tmp_path / "t.parquet", table([0, 1], [["b", "a"], ["c"]], {"image": IMAGE}, "labels"))
    source = read(tmp_path / "t.parquet")
    assert [entry.target for entry in source.entries()] == [("b", "a"), ("c",)]
    assert source.class_names == ("a", "b", "c")


def test_several_columns_of_labels_need_the_key(tmp_path, table, parquet):
    features = {"image": IMAGE, "fine": LABEL, "coarse": {**LABEL, "names": ["x", "y"]}}
    content = table([0], [1], features, "fine").append_column("coarse", [[0]])
    parquet(tmp_path / "t.parquet", content)
    with pytest.raises(
        ValueError, match=r"expected one column of labels, found fine, coarse: state data\.columns"
    ):
        read(tmp_path / "t.parquet")
    source = read(tmp_path / "t.parquet", columns={"label": "coarse"})
    assert [entry.class_name for entry in source.entries()] == ["x"]


def test_tables_of_two_kinds_are_refused(tmp_path, table, parquet):
    parquet(tmp_path / "a/train.parquet", table([0], [1]))
    other = {"image": IMAGE, "label": {**LABEL, "names": ["x", "y"]}}
    parquet(tmp_path / "b/more.parquet", table([0], [1], other))
    with pytest.raises(
        ValueError, match=r"b/more\.parquet: expected the columns and classes of a/train\.parquet"
    ):
        read(tmp_path)


def test_a_damaged_table_is_named(tmp_path, arrow):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match=r"t\.parquet: damaged \.parquet file"):
        read(tmp_path / "t.parquet")


def test_without_pyarrow_the_message_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    for name in [*(name for name in sys.modules if name.startswith("pyarrow.")), "pyarrow"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=r"t\.parquet: .* pyarrow, which is not installed: .*\[hub\]"):
        read(tmp_path / "t.parquet")


def test_a_table_beside_images_leaves_an_image_folder_what_it_is(tmp_path, tree):
    tree(tmp_path, ["cat/1.png", "dog/2.png"])
    (tmp_path / "metadata.parquet").write_bytes(b"PAR1")
    assert detect(DataConfig(source=str(tmp_path))) == "image-folder"


def test_class_names_that_are_equal_are_refused(tmp_path, table, parquet):
    features = {"image": IMAGE, "label": {"_type": "ClassLabel", "names": ["x", "x"]}}
    parquet(tmp_path / "t.parquet", table([0], [1], features))
    with pytest.raises(ValueError, match=r"column label: expected distinct class names, found \('x', 'x'\)"):
        read(tmp_path / "t.parquet")


def test_labels_can_be_left_out(tmp_path, table, parquet):
    parquet(tmp_path / "t.parquet", table([0], [[0, 1]], {"image": IMAGE}))
    source = read(tmp_path / "t.parquet", columns={"label": ""})
    assert (seen(source), source.class_names) == ([("t.parquet/000000.png", None, None)], ())


def test_columns_that_are_not_read_and_missing_shards_are_said(tmp_path, table, parquet):
    rows = table([0, 1], [2, 0])
    rows = rows.append_column("objects", [[{"bbox": [1.0, 2.0, 3.0, 4.0]}]] * 2)
    parquet(tmp_path / "data/train-00000-of-00002.parquet", rows)
    source = read(tmp_path)
    assert source.notes[0] == "tables: images in 'image', labels in 'label'; not read: objects"
    assert source.notes[1] == "caution: 1 of the shards data/train-...-of-00002 are not there"


@pytest.mark.parametrize("annotation", ["objects", "label-map"])
def test_tables_have_no_objects_or_label_maps(tmp_path, table, parquet, annotation, prepared):
    parquet(tmp_path / "train.parquet", table([0, 1], [2, 0]))
    with pytest.raises(ValueError, match=r"found at most a class for each image \(format parquet\)"):
        prepared(tmp_path, annotation=annotation)
