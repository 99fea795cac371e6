import os

import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.listing import listing_digest
from pipeline.datasets.tables.shard_names import expanded, is_pattern


def test_ranges_keep_zeros_and_lists_are_cut(tmp_path):
    names = ["a-08", "a-09", "a-10", "b-08", "b-09", "b-10"]
    for name in names:
        (tmp_path / f"{name}.tar").touch()
    assert [path.stem for path in expanded(f"{tmp_path}/{{a,b}}-{{08..10}}.tar")] == names


@pytest.mark.parametrize("inside", ["", "1-3", "1..", "0..99999999"])
def test_other_braces_are_refused(inside):
    with pytest.raises(ValueError, match=r"data\.source: x\{.*expected"):
        expanded(f"x{{{inside}}}.tar")


def test_a_folder_with_braces_in_its_name_is_a_folder(tmp_path):
    (tmp_path / "{0..1}").mkdir()
    assert not is_pattern(str(tmp_path / "{0..1}"))


def test_the_listing_of_a_pattern_follows_its_shards(tmp_path):
    for name in ("0.tar", "1.tar"):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (1, 1))
    config = DataConfig(source=str(tmp_path / "{0..1}.tar"))
    before = listing_digest(config, tmp_path / "memo")
    (tmp_path / "2.tar").touch()
    assert listing_digest(config, tmp_path / "memo") == before
    os.utime(tmp_path / "1.tar", (2, 2))
    assert listing_digest(config, tmp_path / "memo") != before


def test_the_listing_of_a_list_follows_its_images(tmp_path):
    (tmp_path / "l.csv").write_text("path,label\n1.png,a\n")
    config = DataConfig(source=str(tmp_path / "l.csv"))
    before = listing_digest(config, tmp_path / "memo")
    (tmp_path / "1.png").touch()
    assert listing_digest(config, tmp_path / "memo") != before
