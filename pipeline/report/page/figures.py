"""Figures: Vega-Lite specifications, drawn once, for the page and as SVG, PDF and PNG for papers.

Vega-Lite by vl-convert: interactive in a page without a server, by 0.9 MB of JavaScript, and the same
specification becomes a vector file without a browser. Colours of text and lines are the page's, by CSS:
one drawing serves light and dark.
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
# One hue an arm, on white and on black; in the order of Okabe and Ito, whose hues most people can tell apart.
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

    name: str  # of its files
    caption: str  # what it shows, a sentence
    alt: str  # what a person who cannot see it should know
    spec: Spec

    @cached_property
    def full_spec(self) -> Spec:
        """With the common look."""
        return {**self.spec, "config": _CONFIG, "description": self.alt}

    @cached_property
    def svg(self) -> str:
        """Drawn.

        Raises:
            AddressSpaceTooSmall: this process may not reserve what that takes.
        """
        raise_address_space_limit()
        return vl_convert.vegalite_to_svg(self.full_spec)

    @property
    def json(self) -> str:
        """The specification for a script element: no "</script>" in a name may end it."""
        return json.dumps(self.full_spec, separators=(",", ":")).replace("<", "\\u003c")


def write_figure(figure: Figure, folder: Path, name: str) -> None:
    """Write `<name>.svg`, `.pdf` and `.png`, on white, for papers: the page's own drawing."""
    ground = '<rect width="100%" height="100%" fill="white"/>'
    start = figure.svg.index(">") + 1
    svg = figure.svg[:start] + ground + figure.svg[start:]
    write_text(folder / f"{name}.svg", svg)
    for kind, content in (("pdf", vl_convert.svg_to_pdf(svg)), ("png", vl_convert.svg_to_png(svg, scale=2))):
        with replacing(folder / f"{name}.{kind}") as partial:
            partial.write_bytes(content)


def file_names(figures: Sequence[Figure]) -> list[str]:
    """A name for the files of each figure that LaTeX and every shell take as it is, no name twice."""
    taken: dict[str, int] = {}
    names = []
    for figure in figures:
        name = re.sub(r"[^A-Za-z0-9]+", "-", figure.name).strip("-") or "figure"
        taken[name] = taken.get(name, 0) + 1
        names.append(name if taken[name] == 1 else f"{name}--{taken[name]}")
    return names


def embedding_script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that sets `window.vegaEmbed`."""
    raise_address_space_limit()
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
