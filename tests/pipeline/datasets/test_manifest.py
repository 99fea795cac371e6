import os

import numpy as np

from pipeline.datasets.checking import Checked
from pipeline.datasets.manifest import Rows, write_index, write_manifest
from pipeline.datasets.source import Entry


def test_awkward_names_and_digests_survive(tmp_path):
    names = ['a, "b"\n.png', "größe.png", os.fsdecode(b"latin-\xfc.png")]
    digests = [bytes(32), bytes(31) + b"\x01", b"\x01" + bytes(31)]
    rows = Rows()
    for name, digest in zip(names, digests, strict=True):
        rows.add(Entry(name, class_name=name), Checked(None, 2, 3, digest))
    columns = rows.columns(tuple(sorted(names)))
    assert [columns.path(row) for row in range(3)] == names
    assert columns.labels.tolist() == [sorted(names).index(name) for name in names]
    splits = np.array([0, 1, 2], np.int8)
    write_manifest(tmp_path / "manifest.csv", columns, splits)
    write_index(tmp_path / "index.npz", columns, splits)
    text = (tmp_path / "manifest.csv").read_bytes()
    assert all(digest.hex().encode() in text for digest in digests)
    assert b"latin-\xfc.png,test," in text
    with np.load(tmp_path / "index.npz", allow_pickle=False) as index:
        assert index["path_bytes"].tobytes() == b"".join(os.fsencode(name) for name in names)
