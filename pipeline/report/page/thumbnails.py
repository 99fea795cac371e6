"""Small JPEG images as data addresses, to embed in a page."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

_QUALITY = 80


def data_address(image: np.ndarray, side: int) -> str:
    """An image (H, W, 3) uint8 as "data:image/jpeg;...", its longer side at most `side` pixels."""
    return _encoded(Image.fromarray(image), side)


def picture_address(path: Path, side: int) -> str:
    """A picture file as "data:image/jpeg;...", its longer side at most `side` pixels."""
    with Image.open(path) as picture:
        return _encoded(picture.convert("RGB"), side)


def _encoded(picture: Image.Image, side: int) -> str:
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
