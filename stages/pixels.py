"""Use the pixels of every image as features: a floor that a network's features should beat."""

from functools import partial
from pathlib import Path

from pipeline.config.stages import PixelsConfig, RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(config: PixelsConfig, output: Path, *, data: Path, runtime: RuntimeConfig) -> None:
    """Write the same files as the stage `features`, with pixels in place of a network's vectors."""
    from pipeline.datasets.multilabel import labels_or_sets
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.evaluate.feature_files import write_split
    from pipeline.evaluate.pixels import pixel_features
    from pipeline.evaluate.split_batches import batches_of_splits, write_summary
    from pipeline.pretrain.input_statistics import input_statistics

    dataset = PreparedDataset.open(data)
    labels = labels_or_sets(dataset)
    mean, std = input_statistics(config.normalization, dataset)
    of = partial(pixel_features, dataset, resize=config.resize, side=config.side, mean=mean, std=std)
    num_images = {}
    for split, rows, _, batches in batches_of_splits(
        dataset, of, batch_size=config.batch_size, num_threads=runtime.num_threads
    ):
        # The format has two feature arrays, of which every probe reads one; both hold the pixels.
        features = ((each[:, None], each) for each in batches)
        write_split(output, split, features, labels=labels[rows], index=rows)
        num_images[split] = len(rows)
    write_summary(
        output,
        dataset,
        num_images=num_images,
        num_blocks=1,
        embed_dim=dataset.num_channels * config.side**2,
        resize=config.resize,
        crop_size=config.side,
    )


if __name__ == "__main__":
    serve(run, PixelsConfig)
