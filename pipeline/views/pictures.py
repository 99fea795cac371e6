"""Draws the attention of each head, and the first principal components of the tokens as colours.

Shapes: B images, h x w positions of the map, D channels.
"""

from pathlib import Path

import numpy as np

from pipeline.dense_probes.contact_sheet import blocks, panel, write_sheet
from pipeline.dense_probes.pca import colours, principal_components
from pipeline.views.files import ATTENTION, COLOURS


def draw_attention(folder: Path, crops: list[np.ndarray], attention: np.ndarray) -> None:
    """Write attention.png: each image beside the attention of CLS to the patches, for every head.

    Args:
        attention: (B, heads, h, w), not negative; the largest value of a head in an image is white.
    """
    titles = ["image", "mean", *(f"head {number}" for number in range(1, attention.shape[1] + 1))]
    rows = []
    for image, of_heads in zip(crops, attention, strict=True):
        shares = [of_heads.mean(axis=0), *of_heads]
        rows.append([panel(image), *(blocks(share / share.max()) for share in shares)])
    write_sheet(folder / ATTENTION, titles, rows)


def draw_colours(folder: Path, crops: list[np.ndarray], tokens: dict[str, np.ndarray]) -> None:
    """Write pca.png: each image beside the first three components of each side's tokens as colours.

    Args:
        tokens: side -> (B, h, w, D).
    """
    shown = [colours(principal_components(each)) for each in tokens.values()]
    rows = [[panel(image), *(blocks(side[number]) for side in shown)] for number, image in enumerate(crops)]
    write_sheet(folder / COLOURS, ["image", *tokens], rows)
