import pytest

from pipeline.storage.memos import read_memo, write_memo

VALUE = {"digest": "ab12", "folders": {"a": 3}}


def test_a_value_comes_back(tmp_path):
    write_memo(tmp_path / "m.json", VALUE)
    assert read_memo(tmp_path / "m.json") == VALUE


@pytest.mark.parametrize("damaged", ["", "{", "[]", "{}", '{"value": 1}', "null", "\x00"])
def test_what_is_no_memo_is_none(tmp_path, damaged):
    (tmp_path / "m.json").write_text(damaged)
    assert read_memo(tmp_path / "m.json") is None
    assert read_memo(tmp_path / "missing.json") is None


def test_a_changed_value_is_none(tmp_path):
    write_memo(tmp_path / "m.json", VALUE)
    text = (tmp_path / "m.json").read_text()
    (tmp_path / "m.json").write_text(text.replace("ab12", "ab13"))
    assert read_memo(tmp_path / "m.json") is None


def test_what_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "folder").write_text("no folder")
    write_memo(tmp_path / "folder" / "m.json", VALUE)
