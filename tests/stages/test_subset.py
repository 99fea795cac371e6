"""One image of each of three classes, or a tenth."""

import numpy as np

from pipeline.config.finetune import SubsetConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.label_subset import read_subset
from pipeline.datasets.prepared import PreparedDataset
from stages import subset


def chosen(data, output, share, seed=0):
    output.mkdir()
    subset.run(SubsetConfig(share=share, seed=seed), output, data=data, runtime=RuntimeConfig(threads=1))
    return read_subset(output).rows


def test_a_subset_is_of_training_images_only_and_names_them(tiny_prepared, tmp_path):
    dataset = PreparedDataset.open(tiny_prepared)
    rows = chosen(tiny_prepared, tmp_path / "tenth", 1 / 3)
    assert set(rows) <= set(dataset.indices("train"))
    assert np.bincount(dataset.labels[rows]).tolist() == [4, 4, 4]
    lines = (tmp_path / "tenth" / "images.tsv").read_text().splitlines()
    names = [[dataset.path(row), dataset.class_names[dataset.labels[row]]] for row in rows]
    assert [line.split("\t") for line in lines] == names


def test_one_percent_is_one_image_of_each_class(tiny_prepared, tmp_path):
    rows = chosen(tiny_prepared, tmp_path / "one", 0.01)
    assert sorted(PreparedDataset.open(tiny_prepared).labels[rows]) == [0, 1, 2]
    assert chosen(tiny_prepared, tmp_path / "again", 0.01).tolist() == rows.tolist()
    assert chosen(tiny_prepared, tmp_path / "other", 0.01, seed=1).tolist() != rows.tolist()
