"""Choose a share of the labelled training images, the same for every arm."""

from pathlib import Path

import numpy as np

from pipeline.config.finetune import SubsetConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(config: SubsetConfig, output: Path, *, data: Path, runtime: RuntimeConfig) -> None:
    """Write the rows of the chosen images and, for users, a list of their names and classes."""
    from pipeline.datasets.label_subset import LabelSubset, stratified_positions, write_subset
    from pipeline.datasets.multilabel import label_words, read_label_sets, strata
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.storage.files import write_text

    dataset = PreparedDataset.open(data)
    rows, label_sets = dataset.indices("train"), read_label_sets(dataset)
    labels = dataset.labels if label_sets is None else strata(np.asarray(label_sets))
    rows = rows[labels[rows] >= 0]
    rng = np.random.default_rng(config.seed)
    chosen = rows[stratified_positions(rng, labels[rows], config.share)]
    names = [f"{dataset.path(int(row))}\t{label_words(dataset, int(row))}\n" for row in chosen]
    write_text(output / "images.tsv", "".join(names))
    write_subset(output, LabelSubset(config.share, chosen))


if __name__ == "__main__":
    serve(run, SubsetConfig)
