"""The drawn set by labelme's own writer of label files: python write_labelme.py OUT"""

import sys
from pathlib import Path
from unittest.mock import MagicMock

# labelme imports its windows and its networks first; the writer uses neither.
for name in ("PyQt5", "PyQt5.QtCore", "PyQt5.QtGui", "PyQt5.QtWidgets", "onnxruntime"):
    sys.modules[name] = MagicMock()

from drawn import CLASSES, scenes, write  # noqa: E402
from labelme import utils  # noqa: E402
from labelme._label_file import write_label_file  # noqa: E402

out = Path(sys.argv[1])
write(out / "drawn")


def shape(thing, number, has_masks):
    x1, y1, x2, y2 = thing.box
    found = {
        "label": CLASSES[thing.label],
        "group_id": number,
        "description": "",
        "flags": {},
        "points": [[float(x1), float(y1)], [float(x2), float(y2)]],
        "shape_type": "rectangle",
        "mask": None,
    }
    if has_masks:
        # labelme's masks are cut to the box whose far corner lies inside.
        pixels = thing.mask[y1:y2, x1:x2]
        found |= {
            "shape_type": "mask",
            "points": [[float(x1), float(y1)], [float(x2 - 1), float(y2 - 1)]],
            "mask": utils.img_arr_to_b64(pixels.astype("uint8")),
        }
    return found


for kind in ("boxes", "masks"):
    for scene in scenes():
        folder = out / kind / scene.split
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{scene.name}.jpg"
        (folder / name).write_bytes((out / "drawn" / name).read_bytes())
        write_label_file(
            str(folder / f"{scene.name}.json"),
            shapes=[shape(thing, number, kind == "masks") for number, thing in enumerate(scene.things)],
            image_path=name,
            image_height=scene.size[1],
            image_width=scene.size[0],
            image_data=(folder / name).read_bytes(),
        )
