"""Choose a share of the labelled training images, the same images for every arm."""

from pathlib import Path

import numpy as np

from pipeline.config.finetune import SubsetConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(config: SubsetConfig, output: Path, *, data: Path, runtime: RuntimeConfig) -> None:
    """Write the chosen images' rows in the data set and, for people, their names and classes."""
    from pipeline.datasets.label_subset import LabelSubset, stratified_positions, write_subset
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.storage.files import write_text

    dataset = PreparedDataset.open(data)
    rows = dataset.indices("train")
    rows = rows[dataset.labels[rows] >= 0]
    rng = np.random.default_rng(config.seed)
    chosen = rows[stratified_positions(rng, dataset.labels[rows], config.share)]
    names = [f"{dataset.path(int(row))}\t{dataset.class_names[dataset.labels[row]]}\n" for row in chosen]
    write_text(output / "images.tsv", "".join(names))
    write_subset(output, LabelSubset(config.share, chosen))


if __name__ == "__main__":
    serve(run, SubsetConfig)
