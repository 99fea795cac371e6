#!/usr/bin/env bash
# tifffile 2026.3.3, numpy 1.26.4, Pillow 12.0.0 (Python 3.11).
#
# A stack of bands as (height, width, bands) is written as one image where it has 3 or 4 bands. With 5 or more, the
# same call writes an image for each row of pixels: as many pages as the image is high, each `bands` pixels wide. tifffile
# itself reads the array back as it was, so a round trip shows nothing; any reader that goes by pages, as Pillow does,
# finds slivers. `planarconfig="contig"` with `photometric="minisblack"` writes one page of 5 samples.
#
# Seen: 4 bands: 1 page of 24 x 16. 5 bands: 16 pages, the first of 5 x 24. Stated: 1 page.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/env"
"$work/env/bin/pip" install --quiet tifffile==2026.3.3 numpy==1.26.4 pillow==12.0.0
"$work/env/bin/python" - "$work" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

folder = Path(sys.argv[1])


def pages(bands, **stated):
    path = folder / f"{bands}.tif"
    values = np.arange(16 * 24 * bands, dtype=np.uint8).reshape(16, 24, bands)
    tifffile.imwrite(path, values, **stated)
    assert np.array_equal(tifffile.imread(path), values)
    with tifffile.TiffFile(path) as opened:
        return len(opened.pages), opened.pages[0].shape, path


four, four_shape, four_path = pages(4)
five, five_shape, five_path = pages(5)
stated, stated_shape, _ = pages(5, photometric="minisblack", planarconfig="contig")
print(f"4 bands: {four} page(s), the first {four_shape}")
print(f"5 bands: {five} page(s), the first {five_shape}")
print(f"5 bands, planarconfig stated: {stated} page(s), the first {stated_shape}")
pages(5)
with Image.open(four_path) as image, Image.open(five_path) as slivers:
    print(f"Pillow: 4 bands {image.size} in {image.n_frames} frame(s); 5 bands {slivers.size} in {slivers.n_frames}")
    assert (image.size, image.n_frames) == ((24, 16), 1)
    assert (slivers.size, slivers.n_frames) == ((5, 24), 16)
assert (four, four_shape) == (1, (16, 24, 4))
assert (five, five_shape) == (16, (24, 5))
assert (stated, stated_shape) == (1, (16, 24, 5))
PYTHON
