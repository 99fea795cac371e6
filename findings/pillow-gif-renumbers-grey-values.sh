#!/usr/bin/env bash
# Pillow 13.0.0, numpy 1.26.4 (Python 3.11).
#
# A label map of grey values, saved as GIF and read again: GIF is without losses, and the pictures look the same. But the
# file has a palette of the values that occur in it, and the array that is read holds places in this palette. A map of
# the values 0, 1, 2 comes back equal; one of 0 and 2 comes back as 0 and 1. Over a set of label maps a class changes
# its number from file to file. `convert("L")` gives the values again; PNG and TIFF keep them.
#
# Seen: 0, 1, 2: equal. 0, 2: 0, 1. After convert("L"): 0, 2.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/env"
"$work/env/bin/pip" install --quiet pillow==13.0.0 numpy==1.26.4
"$work/env/bin/python" - "$work" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
from PIL import Image

folder = Path(sys.argv[1])


def read_back(values, suffix):
    path = folder / f"labels.{suffix}"
    Image.fromarray(np.array([values] * 8, np.uint8)).save(path)
    with Image.open(path) as image:
        return np.unique(np.asarray(image)).tolist(), np.unique(np.asarray(image.convert("L"))).tolist()


all_three, grey_of_three = read_back([0, 1, 2, 0] * 4, "gif")
two, grey_of_two = read_back([0, 2, 2, 0] * 4, "gif")
print(f"0, 1, 2: {all_three}, as grey {grey_of_three}")
print(f"0, 2: {two}, as grey {grey_of_two}")
assert (all_three, grey_of_three) == ([0, 1, 2], [0, 1, 2])
assert (two, grey_of_two) == ([0, 1], [0, 2])
assert read_back([0, 2, 2, 0] * 4, "png")[0] == [0, 2]
PYTHON
