"""The drawn set by split-folders, from folders of classes: python write_split_folders.py OUT"""

import json
import shutil
import sys
from pathlib import Path

import splitfolders
from drawn import CLASSES, classified, write

out = Path(sys.argv[1])
files = write(out / "drawn")
for scene, label in classified():
    folder = out / "classes" / CLASSES[label]
    folder.mkdir(parents=True, exist_ok=True)
    for copy in range(4):
        shutil.copy(files / f"{scene.name}.jpg", folder / f"{scene.name}-{copy}.jpg")
splitfolders.ratio(str(out / "classes"), str(out / "ratio"), seed=1, ratio=(0.5, 0.25, 0.25))
splitfolders.fixed(str(out / "classes"), str(out / "fixed"), seed=1, fixed=(2, 1))
for kind in ("ratio", "fixed"):
    paths = sorted(path.relative_to(out / kind).as_posix() for path in (out / kind).rglob("*.jpg"))
    (out / f"{kind}.json").write_text(json.dumps(paths))
