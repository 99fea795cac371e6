import pytest

from pipeline.storage.files import new_folder


def test_a_folder_appears_whole(tmp_path):
    with new_folder(tmp_path / "a" / "made") as partial:
        (partial / "file").write_text("x")
        assert not (tmp_path / "a" / "made").exists()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["made"]
    assert (tmp_path / "a" / "made" / "file").read_text() == "x"


def half_made(folder):
    with new_folder(folder) as partial:
        (partial / "file").write_text("x")
        raise ValueError("half")


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="half"):
        half_made(tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


def test_whoever_was_faster_stays(tmp_path):
    with new_folder(tmp_path / "made") as partial:
        (partial / "file").write_text("slower")
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "file").write_text("faster")
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert (tmp_path / "made" / "file").read_text() == "faster"
