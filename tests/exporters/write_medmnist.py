"""Archives in MedMNIST's layout, and what medmnist reads of them: python write_medmnist.py OUT"""

import json
import sys
from pathlib import Path

import numpy as np
from medmnist import ChestMNIST, PathMNIST, PneumoniaMNIST

out = Path(sys.argv[1])
rng = np.random.default_rng(0)
for kind, shape, labels in (
    (PathMNIST, (28, 28, 3), lambda count: np.arange(count)[:, None] % 9),
    (PneumoniaMNIST, (28, 28), lambda count: np.arange(count)[:, None] % 2),
    (ChestMNIST, (28, 28), lambda count: (rng.random((count, 14)) < 0.2).astype(int)),
):
    folder = out / kind.flag
    folder.mkdir()
    arrays = {}
    for split, count in (("train", 18), ("val", 9), ("test", 9)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, *shape), np.uint8)
        arrays[f"{split}_labels"] = labels(count).astype(np.uint8)
    np.savez_compressed(folder / f"{kind.flag}.npz", **arrays)
    seen = {}
    for split in ("train", "val", "test"):
        data = kind(split, root=str(folder))
        data.save(str(out / "saved" / kind.flag))
        pairs = [data[number] for number in range(len(data.imgs))]
        seen[split] = [[np.asarray(image).tolist(), target.tolist()] for image, target in pairs]
    (out / f"{kind.flag}.json").write_text(json.dumps(seen))
