import pytest

from pipeline.datasets.label_maps.names_beside import read_names_beside


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("labelmap.txt", "# label:color_rgb:parts:actions\na:0,0,0::\nb:1,2,3::\n", ((0, 0, 0), (1, 2, 3))),
        ("labelmap.txt", "a:::\nb:1,2,3::\n", None),
        ("class_names.txt", "\ufeffa\n__ignore__\nb\n", None),
        ("label_colors.txt", "0 0 0 a\n9 8 7\tb\n", ((0, 0, 0), (9, 8, 7))),
        ("label_colors.txt", "a\nb\n", None),
        ("class_dict.csv", "\ufeffname,r,g,b\na,0,0,0\nb, 1, 2, 3\n", ((0, 0, 0), (1, 2, 3))),
    ],
)
def test_what_tools_write(tmp_path, write, file, content, expected):
    write(tmp_path / file, content)
    found = read_names_beside(tmp_path)
    assert (found.file, found.class_names, found.colours) == (file, ("a", "b"), expected)


def test_mistakes_name_the_file(tmp_path, write):
    assert read_names_beside(tmp_path) is None
    for content, words in (
        ("a:0,0,0::\na:1,1,1::\n", r"labelmap\.txt: expected distinct class names"),
        ("a:0,0,0::\nb:0,0,0::\n", r"labelmap\.txt: expected distinct colours"),
        ("a:0,0,300::\n", r"labelmap\.txt: expected distinct colours of 0 to 255"),
        ("a:red::\n", r"labelmap\.txt: expected \"name:r,g,b:parts:actions\", found 'a:red::'"),
    ):
        write(tmp_path / "labelmap.txt", content)
        with pytest.raises(ValueError, match=words):
            read_names_beside(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "name,red,green,blue\na,0,0,0\n",
            "expected the columns \"name,r,g,b\", found 'name,red,green,blue'",
        ),
        ("name,r,g,b\na,0,0\n", "expected \"name,r,g,b\", found 'a,0,0'"),
        ("name,r,g,b\na,0,0,x\n", "expected \"name,r,g,b\", found 'a,0,0,x'"),
        ("name,r,g,b\n", "expected distinct class names, found"),
        ("# nothing\n", 'expected the columns "name,r,g,b", found'),
    ],
)
def test_a_wrong_class_dict_is_named(tmp_path, write, content, words):
    write(tmp_path / "class_dict.csv", content)
    with pytest.raises(ValueError, match=rf"class_dict\.csv: {words}"):
        read_names_beside(tmp_path)
