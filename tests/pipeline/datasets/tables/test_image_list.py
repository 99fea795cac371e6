import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.catalog import detect, open_source
from pipeline.datasets.listed_images import label_order


def listed(source, **section):
    name, found = open_source(DataConfig(source=str(source), **section))
    assert name == "csv"
    return found


def seen(source):
    return [(entry.path, entry.class_name, entry.split) for entry in source.entries()]


def test_a_folder_with_a_list_is_read_by_the_list(tmp_path, tree, write, png):
    tree(tmp_path, ["pictures/a/1.png", "pictures/2.png", "pictures/other.png"])
    write(tmp_path / "labels.csv", "split;Class Name;File Name\ntest;cat;2.png\ntrain;dog;a/1.png\n")
    source = listed(tmp_path)
    assert seen(source) == [("pictures/2.png", "cat", "test"), ("pictures/a/1.png", "dog", "train")]
    assert source.class_names == ("cat", "dog")
    assert source.read("pictures/2.png", -1, -1) == png(1)
    assert source.num_outside == 1
    assert source.notes == ("labels: from labels.csv, columns 'File Name' and 'Class Name'",)


def test_the_list_itself_may_be_the_source(tmp_path, tree, write, prepared):
    tree(tmp_path, [f"{number}.png" for number in range(6)])
    rows = [f"{number}.png\t{number % 2 + 9}" for number in range(6)]
    write(tmp_path / "list.tsv", "\n".join(["path\tlabel", *rows]))
    dataset = prepared(tmp_path / "list.tsv", max_store_gib=0.0)
    assert dataset.class_names == ["9", "10"]
    assert dataset.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert dataset.name == "list"
    assert dataset.image(3).shape == (4, 5, 3)  # from the file again


def test_lists_named_for_their_splits_and_names_without_suffix(tmp_path, tree, write):
    tree(tmp_path, ["train/a1.png", "test/b1.png"])
    write(tmp_path / "train.csv", "id,breed\na1,pug\n")
    write(tmp_path / "test.csv", "id,breed\nb1,pug\n")
    write(tmp_path / "sample_submission.csv", "id,label\nb1,husky\n")
    assert seen(listed(tmp_path)) == [("test/b1.png", "pug", "test"), ("train/a1.png", "pug", "train")]


def test_columns_can_be_stated(tmp_path, tree, write):
    tree(tmp_path, ["1.png"])
    write(tmp_path / "l.csv", "photo,grade,label,class\n1.png,3,x,y\n")
    assert detect(DataConfig(source=str(tmp_path))) == "image-folder"
    source = listed(tmp_path / "l.csv", columns={"image": "photo", "label": "grade"})
    assert seen(source) == [("1.png", "3", None)]


def test_numbers_and_empty_cells():
    assert label_order({"10", "9", "-2"}) == ("-2", "9", "10")
    assert label_order({"10", "9", "b"}) == ("10", "9", "b")


def test_empty_labels_are_none_and_whole_floats_are_numbers(tmp_path, tree, write):
    tree(tmp_path, ["1.png", "2.png", "3.png"])
    write(tmp_path / "l.csv", "path,label\n1.png,2.0\n2.png,\n3.png,-1\n")
    assert [entry.class_name for entry in listed(tmp_path).entries()] == ["2", None, None]


ONE = "one label for each image is read, several are not"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,label\n1.png,a\n1.png,b\n", r"1\.png: expected one of the labels, found a and b; several"),
        ("path,cat,dog\n1.png,1,7\n", rf"l\.csv: expected a column of labels, found .*{ONE}"),
        ("path,label,class\n1.png,1,0\n", r"found several: \['label', 'class'\]: state data\.columns"),
        ("path,label\n1.png,0.5\n", r"line 2: expected a class, found the number 0\.5"),
        ("path,label\n/etc/hostname,a\n", r"its images, such as '/etc/hostname', are neither in"),
        ("path,label\n1.png,a\n\0.png,a\n", r"line 3: expected the path of an image, found '\\x00\.png'"),
        ("path,label\n1.png,a\n,a\n", r"line 3: expected the path of an image, found ''"),
        ("path,label\n1.png,a\n2.png,None\n", r"l\.csv: 1 labels are 'None': .* data\.missing_labels = \["),
        ("path,label,split\n1.png,a,0\n", r"line 2: expected a split such as train, val or test, found '0'"),
        (
            "path,label\n9.png,a\n",
            r"its images, such as '9\.png', are neither in .* nor in a folder below it",
        ),
        ("path,label\n1.png,a,b\n", r"line 2: expected 2 columns, found 3"),
        ("1.png,2.png\n", r"expected a first line that names the columns"),
        ("name,label\n1.png,a\n", r"expected a column of images .*, found \['name', 'label'\]"),
        ("path,label\n1.png,\xff\n".encode("latin1"), r"l\.csv: expected text in UTF-8"),
    ],
)
def test_a_wrong_list_is_one_clear_error(tmp_path, tree, write, text, words):
    tree(tmp_path, ["1.png", "2.png", "3.png"])
    write(tmp_path / "l.csv", text)
    for source in (tmp_path, tmp_path / "l.csv"):
        with pytest.raises(ValueError, match=words):
            listed(source, format="csv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,label\n1.png,cat|dog\n", rf"l\.csv, line 2: expected one label, found 'cat\|dog': {ONE}"),
        ('path,labels\n1.png,"[1, 2]"\n', rf"line 2: expected one label, found .*{ONE}"),
        ('path,label\n1.png,"a, b"\n2.png,"b, c"\n3.png,"c, a"\n', rf"l\.csv: expected one label, .*{ONE}"),
        ("path,cat,dog\n1.png,1,0\n", rf"l\.csv: expected a column of labels, found .*{ONE}"),
    ],
)
def test_several_labels_are_refused_where_one_is_stated(tmp_path, tree, write, text, words):
    tree(tmp_path, ["1.png", "2.png", "3.png"])
    write(tmp_path / "l.csv", text)
    with pytest.raises(ValueError, match=words):
        listed(tmp_path, format="csv", labels="one")


def test_names_with_commas_are_names(tmp_path, tree, write):
    tree(tmp_path, ["1.png", "2.png", "3.png"])
    write(tmp_path / "l.csv", 'path,label\n1.png,"tench, Tinca tinca"\n2.png,"crane, bird"\n3.png,crane\n')
    assert listed(tmp_path).class_names == ("crane", "crane, bird", "tench, Tinca tinca")


def test_labels_can_be_left_out(tmp_path, tree, write):
    tree(tmp_path, ["a/1.png", "b/2.png"])
    write(tmp_path / "l.csv", "path,label\na/1.png,x|y\nb/2.png,x\n")
    source = listed(tmp_path, columns={"label": ""})
    assert seen(source) == [("a/1.png", None, None), ("b/2.png", None, None)]
    assert source.notes == ("labels: left out, as data.columns states",)


@pytest.mark.parametrize(
    "text",
    [
        "id,class\n0,cat\n1,dog\n",  # of classes, not of images
        "path,label\ncat/1.png,cat\n",  # what the folders say already
        "path,label\n9.png,cat\n",
        "name,colour\ncat,red\n",
    ],
)
def test_other_tables_leave_an_image_folder_what_it_is(tmp_path, tree, write, text):
    tree(tmp_path, ["cat/1.png", "dog/2.png"])
    write(tmp_path / "l.csv", text)
    assert detect(DataConfig(source=str(tmp_path))) == "image-folder"


def test_a_list_beside_other_annotations_needs_the_word(tmp_path, tree, write):
    tree(tmp_path, ["images/1.png"])
    write(tmp_path / "annotations/instances_train.json", "{}")
    write(tmp_path / "l.csv", "path,label\n1.png,cat\n")
    with pytest.raises(ValueError, match=r"annotated in several ways: set data\.format to coco, csv"):
        detect(DataConfig(source=str(tmp_path)))
    assert detect(DataConfig(source=str(tmp_path), annotation="objects")) == "coco"


@pytest.mark.parametrize("column", ["is_test", "Is Valid", "fold", "k_fold"])
def test_a_column_that_could_be_the_split_is_not_passed_over(tmp_path, tree, write, column):
    tree(tmp_path, ["1.png", "2.png"])
    write(tmp_path / "labels.csv", f"path,label,{column}\n1.png,cat,1\n2.png,cat,0\n")
    with pytest.raises(
        ValueError, match=rf"column '{column}' is the split: state data\.columns = .*data\.parts"
    ):
        listed(tmp_path)
    stated = listed(tmp_path, columns={"split": column}, parts={"1": "test", "0": "train"})
    assert seen(stated) == [("1.png", "cat", "1"), ("2.png", "cat", "0")]
    assert [split for *_, split in seen(listed(tmp_path, columns={"split": ""}))] == [None, None]


def test_usage_and_phase_name_the_split(tmp_path, tree, write):
    tree(tmp_path, ["1.png", "2.png"])
    write(tmp_path / "labels.csv", "path,label,Usage\n1.png,cat,Training\n2.png,cat,PublicTest\n")
    assert [split for *_, split in seen(listed(tmp_path))] == ["Training", "PublicTest"]


def test_cells_that_pandas_writes_for_a_missing_label_are_none(tmp_path, tree, write):
    tree(tmp_path, [f"{number}.png" for number in range(5)])
    write(tmp_path / "l.csv", "path,label\n0.png,cat\n1.png,nan\n2.png,\n3.png,<NA>\n4.png, NaN \n")
    source = listed(tmp_path)
    assert [entry.class_name for entry in source.entries()] == ["cat", None, None, None, None]
    assert (
        "no label: '<NA>' in 1 cells, 'NaN' in 1 cells, 'nan' in 1 cells (data.missing_labels)"
        in (source.notes[0])
    )


def test_words_that_may_be_a_class_are_settled_by_a_key(tmp_path, tree, write):
    tree(tmp_path, ["0.png", "1.png", "2.png"])
    write(tmp_path / "l.csv", "path,label\n0.png,scratch\n1.png,None\n2.png,none\n")
    with pytest.raises(ValueError, match=r"1 labels are 'None': .*data\.missing_labels = \[\"None\"\]"):
        listed(tmp_path)
    missing, stated = ([e.class_name for e in listed(tmp_path, missing_labels=words).entries()]
                       for words in (("None",), ()))  # fmt: skip
    assert missing == ["scratch", None, "none"]
    assert stated == ["scratch", "None", "none"]


def test_missing_labels_among_several_and_in_columns_of_classes(tmp_path, tree, write):
    tree(tmp_path / "a", ["0.png", "1.png", "2.png"])
    write(tmp_path / "a/l.csv", "path,labels\n0.png,cat|dog\n1.png,nan\n2.png,cat|nan\n")
    assert [entry.target for entry in listed(tmp_path / "a").entries()] == [("cat", "dog"), None, ("cat",)]
    tree(tmp_path / "b", ["0.png", "1.png"])
    write(tmp_path / "b/l.csv", "path,cat,dog\n0.png,1.0,0.0\n1.png,nan,nan\n")
    assert [entry.target for entry in listed(tmp_path / "b").entries()] == [("cat",), None]
    write(tmp_path / "b/l.csv", "path,cat,dog\n0.png,1.0,nan\n1.png,0.0,1.0\n")
    with pytest.raises(
        ValueError, match=r"column 'dog', row 1: expected 0 or 1 for each class, found nothing"
    ):
        listed(tmp_path / "b")


@pytest.fixture
def parquet_list(tmp_path, tree):
    """parquet_list(columns): the folder of six images and a plain table of their paths."""
    arrow = pytest.importorskip("pyarrow", reason="tables need the extra hub")
    import pyarrow.parquet

    def make(**columns):
        tree(tmp_path / "set", [f"images/{number}.png" for number in range(3)])
        names = [f"C:\\shots\\images\\{number}.png" for number in range(3)]
        table = arrow.table({"path": names, **columns, "__index_level_0__": [0, 1, 2]})
        pyarrow.parquet.write_table(table, tmp_path / "set/labels.parquet")
        return tmp_path / "set"

    return make


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        ([["cat", "dog"], [], None], ("cat", "dog")),
        ([[3, 11], [], None], ("3", "11")),
        (["cat|dog", "[]", ""], ("cat", "dog")),
        ([[1, 1], [0, 0], None], ("0", "1")),
    ],
)
def test_a_parquet_list_of_paths_with_several_labels(parquet_list, cells, names):
    folder = parquet_list(labels=cells)
    for source in (listed(folder), listed(folder / "labels.parquet")):
        assert source.is_multilabel
        assert source.class_names == names
        assert [entry.target for entry in source.entries()] == [names, (), None]
        assert [entry.path for entry in source.entries()] == [f"images/{number}.png" for number in range(3)]
        assert source.notes[1] == "paths: read without the leading folders C:/shots/, which are not there"


def test_a_parquet_list_with_one_label_or_a_column_for_each_class(parquet_list):
    nan = float("nan")
    found = listed(parquet_list(label=[2.0, nan, 10.0], split=["train", "test", None]))
    assert seen(found) == [
        ("images/0.png", "2", "train"),
        ("images/1.png", None, "test"),
        ("images/2.png", "10", None),
    ]
    assert found.class_names == ("2", "10")
    found = listed(parquet_list(cat=[True, False, None], dog=[False, False, None]))
    assert [entry.target for entry in found.entries()] == [("cat",), (), None]
    with pytest.raises(ValueError, match=r"labels\.parquet, row 2: expected a class, found the number 0\.5"):
        listed(parquet_list(label=[1.0, 1.0, 0.5]))
