"""Tables of images with strange cells and damaged bytes: prepared, the unusable counted, or refused."""

import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.config.data import DataConfig
from pipeline.datasets.multilabel import read_label_sets
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from tests.properties.damaged import STRANGE, changed_bytes, changed_json, right_or_refused

NUMBERS = (1, 2, 3, 4)


def png(number: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (8, 9, 3), dtype=np.uint8)).save(
        stream, "PNG"
    )
    return stream.getvalue()


def images(folder: str = "") -> dict[str, bytes]:
    return {f"{folder}{number}.png": png(number) for number in NUMBERS}


def chexpert() -> dict[str, bytes]:
    rows = ["Path,Sex,Age,No Finding,Cardiomegaly,Edema"]
    cells = ("1.0,,", ",-1.0,1.0", ",,0.0", "0.0,1.0,0.0")
    rows += [f"CheXpert-v1.0-small/train/{n}.png,Male,6{n},{c}" for n, c in zip(NUMBERS, cells, strict=True)]
    return images("CheXpert-v1.0-small/train/") | {"CheXpert-v1.0-small/train.csv": "\n".join(rows).encode()}


def chest_xray() -> dict[str, bytes]:
    rows = ["Image Index,Finding Labels,Follow-up #,OriginalImage[Width,Height]"]
    labels = ("Mass", "Mass|Nodule", "No Finding", "Nodule")
    rows += [f"{n}.png,{label},0,9,8" for n, label in zip(NUMBERS, labels, strict=True)]
    lists = {"train_val_list.txt": b"1.png\n2.png\n3.png\n", "test_list.txt": b"4.png\n"}
    return images("images_001/images/") | {"Data_Entry_2017.csv": "\n".join(rows).encode()} | lists


def several() -> dict[str, bytes]:
    rows = ["image,tags,split", *(f"{n}.png,{'dog|cat' if n % 2 else 'cat'},train" for n in NUMBERS)]
    return images() | {"labels.tsv": "\n".join(rows).replace(",", "\t").encode()}


def hub_folder() -> dict[str, bytes]:
    rows = [{"file_name": f"{n}.png", "label": ["dog", "cat"] if n % 2 else ["cat"]} for n in NUMBERS]
    return images() | {"metadata.jsonl": "\n".join(map(json.dumps, rows)).encode()}


def shards() -> dict[str, bytes]:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for number in NUMBERS:
            label = json.dumps({"label": number % 2, "size": [9, 8]}).encode()
            for name, content in ((f"{number}.png", png(number)), (f"{number}.json", label)):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return {"train-000000.tar": stream.getvalue()}


def parquet(columns: dict[str, Any]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    stream = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), stream, row_group_size=2)
    return stream.getvalue()


def cells(given: dict[int, bytes | None]) -> Any:
    import pyarrow

    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    return pyarrow.array([{"bytes": content, "path": None} for content in given.values()], kind)


def hub_tables() -> dict[str, bytes]:
    whole = cells({number: png(number) for number in NUMBERS})
    return {"data/train.parquet": parquet({"image": whole, "label": [["dog", "cat"], ["cat"], [], ["dog"]]})}


def path_tables() -> dict[str, bytes]:
    paths = [f"{number}.png" for number in NUMBERS]
    return images() | {"list.parquet": parquet({"path": paths, "label": ["dog", "cat", "dog", "cat"]})}


# Name -> (files, which of them is damaged, options).
SETS = {
    "chexpert": (chexpert, ".csv", {"uncertain_labels": "absent"}),
    "chest_xray": (chest_xray, (".csv", ".txt"), {}),
    "several": (several, ".tsv", {"labels": "several", "label_separator": "|"}),
    "hub_folder": (hub_folder, ".jsonl", {"labels": "several"}),
    "shards": (shards, ".tar", {}),
    "hub_tables": (hub_tables, ".parquet", {"labels": "several"}),
    "path_tables": (path_tables, ".parquet", {}),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    pytest.importorskip("pyarrow", reason="tables need the extra hub")
    return tmp_path_factory.mktemp("tables")


def prepared(root: Path, files: dict[str, bytes], options: dict[str, Any]) -> PreparedDataset | None:
    """What becomes of these files."""
    source, output = root / "source", root / "prepared"
    for folder in (source, output):
        shutil.rmtree(folder, ignore_errors=True)
    for name, content in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)

    def act() -> PreparedDataset:
        config = DataConfig(source=str(source), max_bad_share=1.0, val_share=0.0, **options)
        prepare(config, output, num_workers=1)
        return PreparedDataset.open(output)

    return right_or_refused(act, source)


def checked(dataset: PreparedDataset) -> None:
    """Every image is one of those that were written, and its classes are among those that are named."""
    names = dataset.class_names
    assert len(dataset) <= len(NUMBERS)
    pixels = {np.asarray(Image.open(io.BytesIO(png(number)))).tobytes() for number in NUMBERS}
    assert {dataset.image(row).tobytes() for row in range(len(dataset))} <= pixels
    if dataset.annotation == "classes":
        assert read_label_sets(dataset).shape == (len(dataset), len(names))


@pytest.mark.parametrize("name", SETS)
@given(data=st.data())
def test_damaged_bytes(root, name, data):
    write, suffixes, options = SETS[name]
    files = write()
    file = data.draw(st.sampled_from([each for each in sorted(files) if each.endswith(suffixes)]))
    dataset = prepared(root, files | {file: data.draw(changed_bytes(files[file]))}, options)
    if dataset is not None and name not in ("shards", "hub_tables"):  # these hold the images themselves
        checked(dataset)


@pytest.mark.parametrize("name", ["chexpert", "chest_xray", "several"])
@given(data=st.data())
def test_strange_cells(root, name, data):
    write, suffixes, options = SETS[name]
    files = write()
    file = next(each for each in sorted(files) if each.endswith(suffixes))
    separator = "\t" if file.endswith(".tsv") else ","
    rows = [line.split(separator) for line in files[file].decode().splitlines()]
    for _ in range(data.draw(st.integers(1, 3))):
        row = data.draw(st.integers(0, len(rows) - 1))
        column = data.draw(st.integers(0, len(rows[row]) - 1))
        cell = str(data.draw(STRANGE))
        rows[row][column] = data.draw(st.sampled_from([cell, f'"{cell}"', f'"{cell}', rows[row][column] * 2]))
    text = "\n".join(separator.join(row) for row in rows)
    dataset = prepared(root, files | {file: text.encode(errors="surrogatepass")}, options)
    if dataset is not None:
        checked(dataset)


@given(data=st.data())
def test_strange_metadata(root, data):
    files = hub_folder()
    lines = files["metadata.jsonl"].split(b"\n")
    place = data.draw(st.integers(0, len(lines) - 1))
    lines[place] = data.draw(changed_json(lines[place].decode()))
    dataset = prepared(root, files | {"metadata.jsonl": b"\n".join(lines)}, {})
    if dataset is not None:
        checked(dataset)


LABELS = st.one_of(
    st.lists(st.one_of(st.none(), st.text(max_size=5)), min_size=4, max_size=4),
    st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=4, max_size=4),
    st.lists(st.floats(allow_subnormal=False), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.lists(st.binary(max_size=4), min_size=4, max_size=4),
    st.lists(
        st.one_of(st.none(), st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=3)),
        min_size=4,
        max_size=4,
    ),
    st.lists(st.lists(st.integers(-3, 2**40), max_size=3), min_size=4, max_size=4),
    st.lists(st.fixed_dictionaries({"a": st.integers(0, 3)}), min_size=4, max_size=4),
)


@given(labels=LABELS, number=st.sampled_from(["one", "several", None]), hold=st.booleans(), data=st.data())
def test_columns_of_parquet_of_any_type(root, labels, number, hold, data):
    """Of images in the rows, and of paths."""
    options = {} if number is None else {"labels": number}
    if hold:
        contents = {n: data.draw(st.sampled_from([png(n), png(n), b"", None, b"x"])) for n in NUMBERS}
        files = {"train.parquet": parquet({"image": cells(contents), "label": labels})}
    else:
        strange = [
            f"{NUMBERS[0]}.png",
            "",
            "../1.png",
            "/etc/hostname",
            "absent.png",
            "1.PNG",
            "1.png\x00",
            None,
        ]
        paths = [data.draw(st.sampled_from([f"{n}.png", *strange])) for n in NUMBERS]
        files = images() | {"list.parquet": parquet({"path": paths, "label": labels})}
    dataset = prepared(root, files, options)
    if dataset is not None:
        checked(dataset)


@pytest.mark.parametrize("name", SETS)
def test_what_is_not_damaged_is_right(root, name):
    """Else the other tests could not fail."""
    write, _, options = SETS[name]
    dataset = prepared(root, write(), options)
    assert dataset is not None
    assert len(dataset) == len(NUMBERS)
    checked(dataset)
