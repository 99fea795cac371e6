"""Small generated images and trees of them."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def png() -> Callable[..., bytes]:
    """png(number, width, height): a PNG file of noise that only this number gives."""

    def encode(number: int, width: int = 5, height: int = 4) -> bytes:
        pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        return stream.getvalue()

    return encode


@pytest.fixture
def tree(png) -> Callable[[Path, list[str]], Path]:
    """tree(root, paths): write a different image at every path below root."""

    def write(root: Path, paths: list[str]) -> Path:
        root.mkdir(parents=True, exist_ok=True)
        for number, path in enumerate(paths):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(png(number))
        return root

    return write
