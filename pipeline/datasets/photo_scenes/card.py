"""The embedded data set's card: content, origin of its pixels, and licences."""

from importlib.metadata import version
from typing import Any

from pipeline.config.data import PhotoScenesConfig
from pipeline.datasets.photographs import Photograph

DESCRIPTIONS = {
    "patches": "Crops of random size, place and quarter turn; the class is the photograph.",
    "mosaics": "Irregular tiles cut from different photographs; the class of every pixel is known.",
    "objects": "Irregular shapes cut from photographs, pasted on another; class, box and mask are known.",
}
SPLIT_NOTE = "Each photograph is cut into a grid of regions; training, validation and test share no pixel."
EVEN_LIGHT_NOTE = "Crops are stretched to one mean brightness and contrast."


def write_card(config: PhotoScenesConfig, photographs: tuple[Photograph, ...]) -> dict[str, Any]:
    """The card as a JSON value."""
    return {
        "name": "photo-scenes",
        "drawing": config.drawing,
        "description": DESCRIPTIONS[config.drawing],
        "splits": SPLIT_NOTE,
        "light": EVEN_LIGHT_NOTE if config.even_light else "As in the photographs.",
        "settings": config.model_dump(mode="json"),
        "sources": [
            {
                "class": photograph.name,
                "subject": photograph.subject,
                "package": f"{photograph.package} {version(photograph.package)}",
                "file": photograph.file,
                "author": photograph.author,
                "licence": photograph.licence,
                "sha256": photograph.sha256,
            }
            for photograph in photographs
        ],
    }


def card_markdown(card: dict[str, Any]) -> str:
    """The card as Markdown."""
    lines = [f"# {card['name']}: {card['drawing']}", ""]
    lines += [card["description"], "", card["splits"], "", card["light"], ""]
    columns = ("class", "subject", "package", "file", "author", "licence")
    lines += [f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]
    for source in card["sources"]:
        cells = (source[column] for column in columns)
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Settings: " + ", ".join(f"{key} = {value}" for key, value in card["settings"].items()), ""]
    return "\n".join(lines)
