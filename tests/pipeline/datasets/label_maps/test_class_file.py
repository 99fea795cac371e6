import pytest

from pipeline.datasets.label_maps.class_file import ClassFile, read_class_file


def test_what_is_read(tmp_path):
    assert read_class_file(tmp_path) == ClassFile(None, None)
    path = tmp_path / "classes.json"
    path.write_text('["a", "b"]')
    assert read_class_file(tmp_path) == ClassFile(("a", "b"), None)
    path.write_text('{"classes": ["a", "b"], "ignore_index": 11}')
    assert read_class_file(tmp_path) == ClassFile(("a", "b"), (11,))


@pytest.mark.parametrize(
    "content", ['{"1": "a"}', "3", "[]", "[1]", '["a", "a"]', '{"classes": ["a"], "ignore_index": -1}', "{"]
)
def test_mistakes_name_the_file(tmp_path, content):
    (tmp_path / "classes.json").write_text(content)
    with pytest.raises(ValueError, match=r"classes\.json"):
        read_class_file(tmp_path)
