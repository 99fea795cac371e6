"""Figures: Vega-Lite specifications, drawn as SVG for the page and as SVG and PNG for papers.

Vega-Lite by vl-convert: interactive in a page without a server, by 0.9 MB of JavaScript, and the same
specification becomes a vector file without a browser. Colours of text and lines are the page's, by CSS:
one drawing serves light and dark.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import vl_convert

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
        """Drawn."""
        return vl_convert.vegalite_to_svg(self.full_spec)

    @property
    def json(self) -> str:
        """The specification for a script element: no "</script>" in a name may end it."""
        return json.dumps(self.full_spec, separators=(",", ":")).replace("<", "\\u003c")


def write_figure(figure: Figure, folder: Path) -> None:
    """Write `<name>.svg` and `<name>.png`, on white, for papers."""
    spec = {**figure.full_spec, "config": {**_CONFIG, "background": "white"}}
    write_text(folder / f"{figure.name}.svg", vl_convert.vegalite_to_svg(spec))
    with replacing(folder / f"{figure.name}.png") as partial:
        partial.write_bytes(vl_convert.vegalite_to_png(spec, scale=2))


def embedding_script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that sets `window.vegaEmbed`."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
