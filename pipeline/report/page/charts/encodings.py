"""Encodings shared by figures: colours of arms, formats of tooltips and axes."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.page.figures import ARM_COLORS, Spec

WIDTH = 620  # pixels
AS_IT_IS = {"format": ".5~r"}  # of an axis; the default rounds the single tick of constant values, 0.125 to 0


def by_arm(arms: Sequence[str], values: Sequence[Mapping[str, Any]]) -> Spec:
    """Colour by arm, the same in every figure; the legend names the arms that a figure shows."""
    colours = {arm: ARM_COLORS[i % len(ARM_COLORS)] for i, arm in enumerate(arms)}
    shown = {value["arm"] for value in values}
    domain = [arm for arm in arms if arm in shown]
    scale = {"domain": domain, "range": [colours[arm] for arm in domain]}
    return {"field": "arm", "type": "nominal", "scale": scale, "title": None}


def number(field: str) -> Spec:
    """A number in a tooltip, with one decimal."""
    return {"field": field, "type": "quantitative", "format": ".1f"}
