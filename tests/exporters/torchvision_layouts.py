"""Small sets as torchvision's loaders want them on disk, and what each loader makes of its set.

python torchvision_layouts.py OUT writes OUT/<set>/... and OUT/<set>.json: of every split the digest of each
image's pixels, with its class.
"""

import gzip
import hashlib
import json
import struct
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat
from torchvision import datasets as tv

out = Path(sys.argv[1])
rng = np.random.default_rng(0)


def image(path, size=24):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 255, (size, size, 3), np.uint8)).save(path)


def lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")


def unchecked(loader):
    """A loader that does not ask for the published check sums."""
    return type(loader.__name__, (loader,), {"_check_integrity": lambda self: True})


def record(name, splits, class_of):
    """Write what the loader of every split gives."""
    found = {}
    for split, data in splits.items():
        items = [data[number] for number in range(len(data))]
        found[split] = [
            [hashlib.sha256(np.asarray(each.convert("RGB")).tobytes()).hexdigest(), class_of(data, label)]
            for each, label in items
        ]
    (out / f"{name}.json").write_text(json.dumps(found))


def by_list(data, label):
    return str(data.classes[label])


def by_number(data, label):
    return str(int(label))


def image_folder():
    root = out / "image-folder"
    for split, numbers in (("train", range(4)), ("val", (4, 5)), ("test", (6,))):
        for name in ("zebra", "apple", "melon"):
            for number in numbers:
                image(root / split / name / f"{number}.png")
    record("image-folder", {s: tv.ImageFolder(root / s) for s in ("train", "val", "test")}, by_list)


def pets():
    root = out / "pets/oxford-iiit-pet"
    breeds = ("Abyssinian", "american_bulldog", "Bengal")
    for split, numbers in (("trainval", (1, 2, 3)), ("test", (5, 6))):
        rows = [(breed, n, k) for k, breed in enumerate(breeds, 1) for n in numbers]
        for breed, n, _ in rows:
            image(root / f"images/{breed}_{n}.jpg")
            trimap = root / f"annotations/trimaps/{breed}_{n}.png"
            trimap.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(1, 4, (24, 24), np.uint8)).save(trimap)
        lines(root / f"annotations/{split}.txt", [f"{breed}_{n} {k} 1 1" for breed, n, k in rows])

    def breed(data, label):  # its names are of its own making: Abyssinian, American Bulldog
        return breeds[label]

    record("pets", {s: tv.OxfordIIITPet(out / "pets", split=s) for s in ("trainval", "test")}, breed)


def flowers():
    root = out / "flowers/flowers-102"
    for number in range(1, 13):
        image(root / f"jpg/image_{number:05d}.jpg")
    savemat(root / "imagelabels.mat", {"labels": np.arange(12)[None] % 3 + 1})
    parts = {"trnid": np.arange(1, 5), "valid": np.arange(5, 9), "tstid": np.arange(9, 13)}
    savemat(root / "setid.mat", {name: numbers[None] for name, numbers in parts.items()})
    splits = {s: unchecked(tv.Flowers102)(out / "flowers", split=s) for s in ("train", "val", "test")}

    def number(data, label):  # it counts from 0, the files from 1
        return str(label + 1)

    record("flowers", splits, number)


def dtd():
    root = out / "dtd/dtd/dtd"
    for name in ("banded", "dotted"):
        for number in range(6):
            image(root / f"images/{name}/{name}_{number:04d}.jpg")
    for k, split in enumerate(("train", "val", "test")):
        for partition in range(1, 11):
            first = (2 * k + partition - 1) % 6
            lines(
                root / f"labels/{split}{partition}.txt",
                [f"{c}/{c}_{n % 6:04d}.jpg" for c in ("banded", "dotted") for n in (first, first + 1)],
            )
    record("dtd", {s: tv.DTD(out / "dtd", split=s) for s in ("train", "val", "test")}, by_list)


def food():
    root = out / "food/food-101"
    names = ("pizza", "apple_pie")
    for split, numbers in (("train", range(6)), ("test", (6, 7))):
        for name in names:
            for number in numbers:
                image(root / f"images/{name}/{number}.jpg")
        lines(root / f"meta/{split}.txt", [f"{name}/{n}" for name in names for n in numbers])
        parts = {name: [f"{name}/{n}" for n in numbers] for name in names}
        (root / f"meta/{split}.json").write_text(json.dumps(parts))
    lines(root / "meta/classes.txt", sorted(names))
    record("food", {s: tv.Food101(out / "food", split=s) for s in ("train", "test")}, by_list)


def stl10():
    root = out / "stl/stl10_binary"
    root.mkdir(parents=True)
    for part, count in (("train", 10), ("test", 6), ("unlabeled", 4)):
        rng.integers(0, 255, (count, 3, 96, 96), np.uint8).tofile(root / f"{part}_X.bin")
        if part != "unlabeled":
            (np.arange(count) % 10 + 1).astype(np.uint8).tofile(root / f"{part}_y.bin")
    names = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]
    lines(root / "class_names.txt", names)
    (root / "fold_indices.txt").write_text("".join("0 1\n" for _ in range(10)))
    splits = {s: unchecked(tv.STL10)(out / "stl", split=s) for s in ("train", "test")}
    record("stl", splits, by_list)


def svhn():
    (out / "svhn").mkdir()
    for split, count in (("train", 14), ("test", 11)):
        pixels = rng.integers(0, 255, (32, 32, 3, count), np.uint8)
        labels = (np.arange(count) % 10 + 1)[:, None].astype(np.uint8)
        savemat(out / f"svhn/{split}_32x32.mat", {"X": pixels, "y": labels})
    splits = {s: unchecked(tv.SVHN)(out / "svhn", split=s) for s in ("train", "test")}
    record("svhn", splits, by_number)


def idx(path, array, code=8):
    """A file and its archive, side by side, as torchvision leaves them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = struct.pack(">BBBB", 0, 0, code, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(data + array.tobytes())
    with gzip.open(f"{path}.gz", "wb") as stream:
        stream.write(data + array.tobytes())


def digits():
    for part, count in (("train", 30), ("t10k", 20)):
        pixels = rng.integers(0, 255, (count, 28, 28), np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        word = part.replace("t10k", "test")
        for name, folder in (("mnist", "MNIST"), ("fashion", "FashionMNIST"), ("kmnist", "KMNIST")):
            root = out / name / folder / "raw"
            idx(root / f"{part}-images-idx3-ubyte", pixels)
            idx(root / f"{part}-labels-idx1-ubyte", labels)
        root = out / "qmnist/QMNIST/raw"
        idx(root / f"qmnist-{word}-images-idx3-ubyte", pixels)
        columns = np.stack([labels, *[np.full(count, 7, np.uint8)] * 7], axis=1).astype(">i4")
        idx(root / f"qmnist-{word}-labels-idx2-int", columns, code=12)
    loaders = {"mnist": tv.MNIST, "fashion": tv.FashionMNIST, "kmnist": tv.KMNIST}
    for name, loader in loaders.items():
        record(name, {s: loader(out / name, train=s == "train") for s in ("train", "test")}, by_number)
    splits = {s: tv.QMNIST(out / "qmnist", train=s == "train") for s in ("train", "test")}
    record("qmnist", splits, by_number)


def trees():
    for name in ("Forest", "River"):
        for number in range(5):
            image(out / f"eurosat/eurosat/2750/{name}/{name}_{number}.jpg")
    record("eurosat", {"all": tv.EuroSAT(out / "eurosat")}, by_list)
    for split in ("train", "valid", "test"):
        for name in ("AD", "FR"):
            for number in range(3):
                image(out / f"country/country211/{split}/{name}/{number}.jpg")
    record(
        "country", {s: tv.Country211(out / "country", split=s) for s in ("train", "valid", "test")}, by_list
    )
    places = ("a/abbey", "a/airport_terminal", "b/barn/indoor")
    for place in places:
        for number in range(4):
            image(out / f"sun/SUN397/{place}/sun_{place.replace('/', '')}{number}.jpg")
    lines(out / "sun/SUN397/ClassName.txt", [f"/{place}" for place in places])
    # Its own names leave the first folder out.
    record("sun", {"all": tv.SUN397(out / "sun")}, lambda data, label: places[label])


for make in (image_folder, pets, flowers, dtd, food, stl10, svhn, digits, trees):
    make()
