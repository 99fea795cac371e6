"""The card names every source with its licence, as JSON and as a page."""

import json

from pipeline.config.data import PhotoScenesConfig
from pipeline.datasets.photo_scenes import card_markdown
from pipeline.datasets.photo_scenes.card import write_card
from pipeline.datasets.photo_scenes.sources import PHOTOGRAPHS


def test_card_lists_every_photograph_and_survives_json():
    card = write_card(PhotoScenesConfig(drawing="objects"), PHOTOGRAPHS)
    assert json.loads(json.dumps(card)) == card
    assert [source["class"] for source in card["sources"]] == [photograph.name for photograph in PHOTOGRAPHS]
    assert card["settings"]["drawing"] == "objects"


def test_page_has_a_row_for_every_photograph():
    page = card_markdown(write_card(PhotoScenesConfig(), PHOTOGRAPHS))
    assert page.startswith("# photo-scenes: patches\n")
    for photograph in PHOTOGRAPHS:
        row = next(line for line in page.splitlines() if line.startswith(f"| {photograph.name} |"))
        assert photograph.author in row
        assert photograph.licence in row
