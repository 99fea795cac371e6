"""The drawn set by Hugging Face's datasets and by webdataset: python write_hub.py OUT"""

import json
import sys
from pathlib import Path

import webdataset
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, Sequence
from drawn import CLASSES, SPLITS, classified, write

out = Path(sys.argv[1])
files = write(out / "drawn")


def rows(split, has_several):
    drawn = [(scene, label) for scene, label in classified() if scene.split == split]
    labels = [
        sorted({thing.label for thing in scene.things}) if has_several else label for scene, label in drawn
    ]
    return {"image": [str(files / f"{scene.name}.jpg") for scene, _ in drawn], "label": labels}


for kind, has_several in (("one", False), ("several", True)):
    label = ClassLabel(names=list(CLASSES))
    features = Features({"image": Image(), "label": Sequence(label) if has_several else label})
    parts = {split: Dataset.from_dict(rows(split, has_several), features=features) for split in SPLITS}
    DatasetDict(parts).save_to_disk(str(out / f"arrow-{kind}"))
    for split, part in parts.items():
        (out / f"paths-{kind}").mkdir(exist_ok=True)
        part.to_parquet(str(out / f"paths-{kind}" / f"{split}.parquet"))
        # From arrow files, that is with the bytes.
        embedded = Dataset.load_from_disk(str(out / f"arrow-{kind}" / split))
        (out / f"bytes-{kind}").mkdir(exist_ok=True)
        embedded.to_parquet(str(out / f"bytes-{kind}" / f"{split}-00000-of-00001.parquet"))
        (out / f"undecoded-{kind}").mkdir(exist_ok=True)
        undecoded = embedded.cast_column("image", Image(decode=False))
        undecoded.to_parquet(str(out / f"undecoded-{kind}" / f"{split}.parquet"))

for split in SPLITS:
    folder = out / "shards"
    folder.mkdir(exist_ok=True)
    for kind in ("cls", "json", "several", "matrix"):
        (out / f"shards-{kind}").mkdir(exist_ok=True)
        with webdataset.ShardWriter(
            str(out / f"shards-{kind}" / f"{split}-%06d.tar"), maxcount=2, verbose=0
        ) as sink:
            for scene, label in classified():
                if scene.split != split:
                    continue
                present = sorted({thing.label for thing in scene.things})
                content = {
                    "cls": {"cls": label},
                    "json": {"json": {"label": CLASSES[label], "width": scene.size[0]}},
                    "several": {"json": {"labels": [CLASSES[number] for number in present]}},
                    "matrix": {"json": {"label": [int(n in present) for n in range(len(CLASSES))]}},
                }[kind]
                image = (files / f"{scene.name}.jpg").read_bytes()
                sink.write({"__key__": scene.name, "jpg": image, **content})

folder = out / "imagefolder"
for split in SPLITS:
    (folder / split).mkdir(parents=True)
    lines = []
    for scene, label in classified():
        if scene.split == split:
            name = f"{scene.name}.jpg"
            (folder / split / name).write_bytes((files / name).read_bytes())
            lines.append(json.dumps({"file_name": name, "label": CLASSES[label]}))
    (folder / split / "metadata.jsonl").write_text("\n".join(lines) + "\n")
