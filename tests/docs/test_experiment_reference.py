"""The generated page is what the configuration models say now."""

import runpy
from pathlib import Path

import pytest
from pydantic import Field

from pipeline.config.experiment import Experiment
from pipeline.config.section import NonNegative, PositiveInt, Section

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "experiment_reference.py"


@pytest.fixture(scope="module")
def reference() -> dict:
    return runpy.run_path(str(SCRIPT))


def test_the_page_is_up_to_date(reference):
    assert reference["PAGE"].read_text(encoding="utf-8") == reference["page"](), (
        "docs/reference.md is not what the models say: run `python docs/experiment_reference.py`"
    )


def test_every_key_of_every_section_has_a_row(reference):
    page, section = reference["page"](), reference["section_of"]
    models, seen = [Experiment], set()
    while models:
        model = models.pop()
        for name, info in model.model_fields.items():
            below = section(info.annotation)
            if below is not None and below not in seen:
                seen.add(below)
                models.append(below)
            one_value = str(info.annotation).startswith("typing.Literal") and name == "name"
            always_there = below is not None and info.default is not None
            assert f"| `{name}` |" in page or one_value or always_there, f"{model.__name__}.{name}"
    assert len(seen) > 25


class Crop(Section):
    """A section of this test."""

    # Pixels
    # of a side.
    size: PositiveInt = 32  # square
    scale: tuple[NonNegative, NonNegative] = (
        0.5,
        1.0,
    )  # low and high
    shape: float = Field(default=0.1, gt=0, le=1)


def test_comments_above_and_behind_a_field_are_its_meaning(reference):
    assert reference["comments"](Crop) == {"size": "Pixels of a side. square", "scale": "low and high"}


def test_a_subclass_keeps_what_is_said_of_its_base(reference):
    class Wide(Crop):
        """Wider."""

        shape: float = 0.2  # of the crop

    assert reference["comments"](Wide) == {
        "size": "Pixels of a side. square",
        "scale": "low and high",
        "shape": "of the crop",
    }


def test_the_absence_of_a_value_has_one_name(reference):
    page = reference["page"]()
    assert "null: half the backbone's width" in page
    assert "None" not in page


def test_limits_are_said_in_words(reference):
    words = {name: reference["type_words"](info) for name, info in Crop.model_fields.items()}
    assert words == {
        "size": "integer > 0",
        "scale": "2 of: number ≥ 0",
        "shape": "number > 0, ≤ 1",
    }
