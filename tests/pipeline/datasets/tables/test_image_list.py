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
        ("path,label\n../1.png,a\n", r"line 2: expected a path inside .*, found '\.\./1\.png'"),
        ("path,label\n/etc/1.png,a\n", r"line 2: expected a path inside .*, found '/etc/1\.png'"),
        ("path,label\n\0.png,a\n", r"line 2: expected a path inside .*, found '\\x00\.png'"),
        ("path,label,split\n1.png,a,0\n", r"line 2: expected a split such as train, val or test, found '0'"),
        (
            "path,label\n9.png,a\n",
            r"its images, such as '9\.png', are neither in .* nor in a folder directly",
        ),
        ("path,label\n1.png,a,b\n", r"line 2: expected 2 columns, found 3"),
        ("1.png,a\n", r"expected a first line that names the columns"),
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
