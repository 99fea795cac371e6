"""Limits of what xml from elsewhere may hold, with harmless files."""

import pytest

from pipeline.datasets.objects import xml_file
from pipeline.datasets.objects.xml_file import MOST_LEVELS, root_tag, xml_root


def written(folder, text):
    path = folder / "a.xml"
    path.write_text(text)
    return path


def test_elements_and_texts_are_read(tmp_path):
    path = written(tmp_path, "<?xml version='1.0'?><a><b c='1'>x &amp; y</b><b/></a>")
    root = xml_root(path)
    assert [(each.tag, each.get("c"), each.text) for each in root] == [("b", "1", "x & y"), ("b", None, None)]
    assert root_tag(path) == "a"


@pytest.mark.parametrize(
    "declared",
    ["<!DOCTYPE a [<!ENTITY e 'text'>]>", "<!DOCTYPE a [<!ENTITY e SYSTEM 'other.txt'>]>", "<!DOCTYPE a>"],
)
def test_a_document_type_is_refused_so_there_are_no_entities(tmp_path, declared):
    (tmp_path / "other.txt").write_text("from outside")
    path = written(tmp_path, f"{declared}<a>&e;</a>")
    with pytest.raises(ValueError, match="expected no document type, found <!DOCTYPE a>"):
        xml_root(path)
    assert root_tag(path) == "a"  # nothing after it was parsed


def test_levels_and_bytes_are_bounded(tmp_path, monkeypatch):
    path = written(tmp_path, "<a>" * MOST_LEVELS + "</a>" * MOST_LEVELS)
    assert xml_root(path).tag == "a"
    monkeypatch.setattr(xml_file, "MOST_LEVELS", 3)
    with pytest.raises(ValueError, match="expected at most 3 elements within each other"):
        xml_root(path)
    assert xml_root(written(tmp_path, "<a><b/><b/><b/><b><c/></b></a>")).tag == "a"
    monkeypatch.setattr(xml_file, "MOST_BYTES", 20)
    with pytest.raises(ValueError, match="expected at most 20 bytes, found 30"):
        xml_root(tmp_path / "a.xml")


@pytest.mark.parametrize("text", ["", "no xml", "<a", "<!-- only a comment -->"])
def test_what_is_no_xml_has_no_first_element(tmp_path, text):
    assert root_tag(written(tmp_path, text)) is None
