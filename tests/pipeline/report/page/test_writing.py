import dataclasses
import json
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from pipeline.report.page import rendering, writing
from pipeline.report.page.figures import file_names
from tests.pipeline.report.page.drawn import NASTY, an_image, drawn_contents, picture_size


class Elements(HTMLParser):
    """Every element with its attributes, and the texts of scripts that hold specifications."""

    def __init__(self, text):
        super().__init__()
        self.found, self.specs, self._in_spec = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self._in_spec = tag == "script" and "data-for" in dict(attrs)

    def handle_data(self, data):
        if self._in_spec:
            self.specs.append(data)
            self._in_spec = False


@pytest.fixture(scope="module")
def page():
    return writing.page_text(drawn_contents())


def test_no_name_becomes_part_of_the_page(page):
    elements = Elements(page)
    assert not [attributes for _, attributes in elements.found if "onerror" in attributes]
    assert "<img src=x" not in page
    assert all(
        tag != "img" or attributes["src"].startswith("data:image/") for tag, attributes in elements.found
    )


def test_the_page_asks_nobody_outside(page):
    elements = Elements(page)
    for tag, attributes in elements.found:
        assert tag not in ("link", "iframe", "object", "embed"), tag
        assert tag != "script" or "src" not in attributes
        target = attributes.get("href", "#")
        assert target.startswith("#"), target
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style


def test_every_figure_is_drawn_before_a_script_runs_and_can_be_drawn_again(page):
    contents, elements = drawn_contents(), Elements(page)
    assert page.count('<div class="drawing"') == page.count("<svg xmlns=") == len(contents.figures) - 1 == 6
    specs = [json.loads(text) for text in elements.specs]
    assert [spec["description"] for spec in specs] == [
        figure.alt
        for figure in (
            contents.training,
            *contents.classes,
            *(side.map for side in contents.features[0].sides),
            contents.data[0].balance,
        )
    ]
    assert NASTY in json.dumps(specs, ensure_ascii=False).replace('\\"', '"')


def test_only_a_neighbour_with_a_label_is_said_to_be_of_the_same_class(page):
    kinds = [attributes.get("class") for tag, attributes in Elements(page).found if tag == "figure"]
    assert kinds.count("same") == 2  # of four neighbours, two without a label


def test_pictures_have_words_and_links_have_targets(page):
    elements = Elements(page).found
    assert all(attributes.get("alt") for tag, attributes in elements if tag == "img")
    ids = {attributes["id"] for _, attributes in elements if "id" in attributes}
    links = {attributes["href"][1:] for tag, attributes in elements if tag == "a"}
    assert links <= ids
    parts = {"answer", "results", "training", "classes", "pictures", "features", "studies", "data", "repeat"}
    assert parts <= links


def test_figures_are_files_for_papers_too(tmp_path):
    contents = drawn_contents()
    writing.write_page(contents, tmp_path)
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    figures = (
        "differences",
        "training",
        "classes-knn",
        "confusion-knn-hssl",
        "features-hssl-base",
        "features-hssl-auxiliary-head",
        "balance-images",
    )
    assert names == {f"{name}.{kind}" for name in figures for kind in ("svg", "png", "pdf")}
    assert (tmp_path / "figures" / "training.pdf").read_bytes().startswith(b"%PDF-")
    with Image.open(tmp_path / "figures" / "differences.png") as picture:
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert (tmp_path / "report.html").stat().st_size < rendering.MOST_BYTES


def test_names_of_figures_are_names_of_files():
    found = [
        dataclasses.replace(drawn_contents().differences, name=name) for name in ("a b/c%", "a-b_c", "π")
    ]
    assert file_names(found) == ["a-b-c", "a-b-c--2", "figure"]


def test_a_page_that_nobody_could_open_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "MOST_BYTES", 1000)
    with pytest.raises(ValueError, match=r"report\.html: \d+ bytes, expected at most 1000"):
        writing.write_page(drawn_contents(), tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_a_file_name_that_is_no_text_is_shown_as_its_bytes():
    contents = drawn_contents()
    contents.sentences = ["caf\udce9.png"]  # as Python reads a name in Latin-1
    assert "caf\\udce9.png" in writing.page_text(contents)


def test_a_thumbnail_keeps_its_proportions():
    assert picture_size(an_image()) == (48, 32)
