"""Figures: Vega-Lite specifications, drawn once, for the page and as SVG, PDF and PNG for papers.

With vl-convert the same specification is interactive on a page without a server (0.9 MB of JavaScript) and
becomes a vector file without a browser. Colours of text and lines are set by the page's CSS: one drawing
serves light and dark mode.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import vl_convert

from pipeline.report.page.address_space import raise_address_space_limit
from pipeline.storage.files import replacing, write_text

Spec = dict[str, Any]
# A hue per arm, for white and black backgrounds; in the order of Okabe and Ito's colour-blind safe hues.
ARM_COLORS = ("#7f8790", "#3a87c8", "#d9730d", "#2a9d6f", "#b565c9", "#c9a227", "#d1495b", "#5b5fc7")
_CONFIG = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "axis": {
        "labelLimit": 240,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridOpacity": 0.6,
    },
    "legend": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "orient": "top"},
    "header": {"labelFontSize": 13, "titleFontSize": 12, "labelFontWeight": "normal"},
    "view": {"stroke": None},
    "line": {"strokeWidth": 1.8},
    "tooltip": True,
}


@dataclass(frozen=True)
class Figure:
    """One figure of the page."""

    name: str  # from which file names are made
    caption: str
    alt: str  # text alternative
    spec: Spec

    @cached_property
    def full_spec(self) -> Spec:
        """The specification with the common style."""
        return {**self.spec, "config": _CONFIG, "description": self.alt}

    @cached_property
    def svg(self) -> str:
        """The drawing.

        Raises:
            AddressSpaceTooSmall: this process may not reserve what that takes.
        """
        raise_address_space_limit()
        return vl_convert.vegalite_to_svg(self.full_spec)

    @property
    def json(self) -> str:
        """The specification as JSON for a script element, which no "</script>" in a name can end."""
        return json.dumps(self.full_spec, separators=(",", ":")).replace("<", "\\u003c")


def write_figure(figure: Figure, folder: Path, name: str) -> None:
    """Write the page's drawing as `<name>.svg`, `.pdf` and `.png`, on white, for papers."""
    ground = '<rect width="100%" height="100%" fill="white"/>'
    start = figure.svg.index(">") + 1
    svg = figure.svg[:start] + ground + figure.svg[start:]
    write_text(folder / f"{name}.svg", svg)
    for kind, content in (("pdf", vl_convert.svg_to_pdf(svg)), ("png", vl_convert.svg_to_png(svg, scale=2))):
        with replacing(folder / f"{name}.{kind}") as partial:
            partial.write_bytes(content)


def file_names(figures: Sequence[Figure]) -> list[str]:
    """A unique file name for each figure, without characters that LaTeX or a shell would interpret."""
    taken: dict[str, int] = {}
    names = []
    for figure in figures:
        name = re.sub(r"[^A-Za-z0-9]+", "-", figure.name).strip("-") or "figure"
        taken[name] = taken.get(name, 0) + 1
        names.append(name if taken[name] == 1 else f"{name}--{taken[name]}")
    return names
