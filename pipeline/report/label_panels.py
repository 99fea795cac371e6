"""A label map over its image, drawn so that a person can judge both."""

import numpy as np
from PIL import Image

from pipeline.datasets.targets import IGNORED
from pipeline.evaluate.overlays import fitted

_STRENGTH = 0.5  # of the class colour over the image
_BACKGROUNDS = frozenset(("background", "_background_", "__background__", "bg"))  # names in lower case
_STRIPE = 6  # pixels from one stripe over ignored pixels to the next
_WHITE = 255


def background_class(class_names: list[str], format_name: str) -> int | None:
    """The class that is named as background, or 0 where VOC's layout has numbers for names; None: none is."""
    if format_name == "voc-masks" and class_names[:1] == ["0"]:
        return 0
    return next((k for k, name in enumerate(class_names) if name.strip().lower() in _BACKGROUNDS), None)


def label_panel(
    image: np.ndarray, labels: np.ndarray, colours: np.ndarray, background: int | None, side: int
) -> Image.Image:
    """The image under the colours of its classes, each outlined; ignored pixels under white stripes.

    Args:
        image: (H, W, 3) uint8.
        labels: (H, W) classes, or IGNORED.
        colours: (K, 3) uint8.
        background: the class whose pixels stay as they are; None: every class has its colour.
        side: pixels, the longer side of the panel.
    """
    shown = np.asarray(fitted(image, side)).astype(np.float32)
    shown_labels = _resized(labels, *shown.shape[:2])
    is_ignored = shown_labels == IGNORED
    is_tinted = ~is_ignored & (shown_labels != (IGNORED if background is None else background))
    tint = colours[np.where(is_tinted, shown_labels, 0)]
    shown[is_tinted] += _STRENGTH * (tint[is_tinted] - shown[is_tinted])
    is_outline = _is_edge(shown_labels) & is_tinted
    shown[is_outline] = tint[is_outline]
    rows, columns = np.indices(shown_labels.shape)
    shown[is_ignored & ((rows + columns) % _STRIPE < 2)] = _WHITE
    return Image.fromarray(np.rint(shown).astype(np.uint8))


def _resized(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """The labels of the nearest pixels."""
    rows = (np.arange(height) + 0.5) * labels.shape[0] // height
    columns = (np.arange(width) + 0.5) * labels.shape[1] // width
    return labels[rows.astype(int)[:, None], columns.astype(int)]


def _is_edge(labels: np.ndarray) -> np.ndarray:
    """(H, W) bool: whether a neighbour to the left, right, above or below has another label."""
    edge = np.zeros(labels.shape, bool)
    down, across = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    return edge
