import pytest

from pipeline.datasets.text_files import text_of


def test_text_with_and_without_a_mark(tmp_path):
    for content in ("é\nb", "\ufeffé\nb"):
        (tmp_path / "a.txt").write_text(content, encoding="utf-8")
        assert text_of(tmp_path / "a.txt") == "é\nb"


def test_a_zero_byte_is_no_text(tmp_path):
    (tmp_path / "a.txt").write_text("images/\0.png")
    with pytest.raises(ValueError, match=r"a\.txt: expected text, found a zero byte after 7 characters"):
        text_of(tmp_path / "a.txt")


def test_other_bytes_are_refused_by_the_files_name(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\x80\x81")
    with pytest.raises(ValueError, match=r"a\.txt: expected text in UTF-8, found other bytes"):
        text_of(tmp_path / "a.txt")
