"""The drawn set by pascal-voc-writer, xml beside images: python write_voc_writer.py OUT"""

import shutil
import sys
from pathlib import Path

from drawn import CLASSES, scenes, write
from pascal_voc_writer import Writer

out = Path(sys.argv[1])
files = write(out / "drawn")
for scene in scenes():
    # As its examples have it, near and far corners as they are; and counted from 1, as VOC does.
    for kind, near in (("from-0", 0), ("from-1", 1)):
        for place in (f"beside-{kind}/{scene.split}", f"apart-{kind}/{scene.split}/images"):
            folder = out / place
            folder.mkdir(parents=True, exist_ok=True)
            image = folder / f"{scene.name}.jpg"
            shutil.copy(files / image.name, image)
            writer = Writer(str(image), *scene.size)
            for thing in scene.things:
                x1, y1, x2, y2 = thing.box
                writer.addObject(CLASSES[thing.label], x1 + near, y1 + near, x2, y2)
            xml_folder = folder if place.startswith("beside") else folder.parent / "annotations"
            xml_folder.mkdir(exist_ok=True)
            writer.save(str(xml_folder / f"{scene.name}.xml"))
