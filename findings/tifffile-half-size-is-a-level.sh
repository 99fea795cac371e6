#!/usr/bin/env bash
# tifffile 2026.3.3, numpy 1.26.4 (Python 3.11).
#
# Two images that have nothing to do with each other, written one after the other into one TIFF: if the second has half
# the first one's height and width, it counts as a level of a pyramid of the first. `series` is then one long, `imread`
# returns the first image alone, and the second is only found below `series[0].levels`. With any other size there are two
# series. So a count of images in a file by its series depends on their sizes.
#
# Seen: second of 32 x 32: 1 series with 2 levels. Of 30 x 30: 2 series.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/env"
"$work/env/bin/pip" install --quiet tifffile==2026.3.3 numpy==1.26.4
"$work/env/bin/python" - "$work" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import tifffile

path = Path(sys.argv[1]) / "two.tif"
found = {}
for side in (32, 30):
    with tifffile.TiffWriter(path) as writer:
        writer.write(np.zeros((64, 64), np.uint8))
        writer.write(np.full((side, side), 255, np.uint8))
    with tifffile.TiffFile(path) as opened:
        found[side] = len(opened.pages), len(opened.series), len(opened.series[0].levels)
    read = tifffile.imread(path)
    print(f"second image {side} x {side}: {found[side][0]} pages, {found[side][1]} series, the first with "
          f"{found[side][2]} level(s); imread gives {read.shape}")
assert found == {32: (2, 1, 2), 30: (2, 2, 1)}, found
PYTHON
