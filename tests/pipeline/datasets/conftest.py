"""Small generated images, trees of them, and label maps."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.prepared import PreparedDataset
from tests.preparing import preparing_in


@pytest.fixture
def png() -> Callable[..., bytes]:
    """png(number, width, height): a PNG file of noise, different for each number."""

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


@pytest.fixture
def label_png() -> Callable[..., bytes]:
    """label_png(values, mode): a PNG file with these pixel values; mode as in Pillow."""

    def encode(values, mode: str = "L") -> bytes:
        values = np.asarray(values)
        image = Image.fromarray(values.astype(np.uint16 if mode == "I;16" else np.uint8))
        if mode == "P":
            image = Image.fromarray(values.astype(np.uint8), "L")
            image.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
        stream = io.BytesIO()
        image.save(stream, "PNG")
        return stream.getvalue()

    return encode


@pytest.fixture
def write() -> Callable[[Path, bytes | str], None]:
    """write(path, content): a file, with its folders."""

    def put(path: Path, content: bytes | str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return put


@pytest.fixture
def prepared(tmp_path) -> Callable[..., PreparedDataset]:
    """prepared(source, **section): the data set that one process prepares from a folder."""
    return preparing_in(tmp_path)
