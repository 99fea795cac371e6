"""Two-dimensional maps of images by their features."""

from typing import Any

from pipeline.report.page.figures import Figure


def feature_map(title: str, part: str, values: list[dict[str, Any]]) -> Figure:
    """A scatter plot of images by their features; on the page, pointing at one shows its thumbnail.

    Args:
        title: of the network and side, "hssl, base".
        part: split of the images.
        values: each with x, y, class, path and image (the name of a thumbnail).
    """
    color = {"field": "class", "type": "nominal", "scale": {"scheme": "tableau20"}, "title": None}
    spec = {
        "data": {"values": values},
        "width": 300,
        "height": 300,
        "mark": {"type": "point", "filled": True, "size": 30, "opacity": 0.75},
        "encoding": {
            "x": {"field": "x", "type": "quantitative", "axis": None},
            "y": {"field": "y", "type": "quantitative", "axis": None},
            "color": color | {"legend": {"columns": 4, "orient": "bottom", "symbolLimit": 24}},
            "tooltip": [{"field": "image"}, {"field": "class"}, {"field": "path"}],
        },
    }
    told = f"{len(values)} {part} images of {title} in two dimensions, coloured by class"
    return Figure(f"features-{title}", f"{title}: {part} images by their features (t-SNE).", told, spec)
