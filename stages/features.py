"""Compute a frozen backbone's features of every image, for all probes."""

from functools import partial
from pathlib import Path

import numpy as np

from pipeline.config.stages import FeaturesConfig, RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(config: FeaturesConfig, output: Path, *, backbone: Path, data: Path, runtime: RuntimeConfig) -> None:
    """Write the feature arrays of every split that has images, and features.json last.

    Each rank computes its share of the batches; rank 0 alone writes.
    """
    import jittor as jt

    from pipeline import kernels
    from pipeline.datasets.multilabel import labels_or_sets
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.evaluate.feature_files import BACKBONE_FILES, write_split
    from pipeline.evaluate.features import extract, load_crops
    from pipeline.evaluate.split_batches import batches_of_splits, write_summary
    from pipeline.models.backbone_file import load_backbone
    from pipeline.ranks.exchange import ranks_of_this_process
    from pipeline.storage.files import sha256_of_file
    from pipeline.transforms.evaluation import center_crops

    kernels.use(runtime.kernels)
    dataset = PreparedDataset.open(data)
    labels = labels_or_sets(dataset)
    path = backbone / BACKBONE_FILES[config.weights]
    frozen = load_backbone(path)

    def crop(images: list[np.ndarray]) -> np.ndarray:
        return center_crops(images, config.resize, config.crop_size, mean=frozen.mean, std=frozen.std)

    def forward(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cls, patch_mean = frozen.features(jt.array(images), config.num_blocks)
        return cls.numpy(), patch_mean.numpy()

    load = partial(load_crops, dataset, resize=config.resize, crop=crop, batch_size=config.batch_size)
    num_images, ranks = {}, ranks_of_this_process()
    num_threads = runtime.threads_per_rank
    for split, rows, sizes, batches in batches_of_splits(
        dataset, load, batch_size=config.batch_size, num_threads=num_threads, ranks=ranks
    ):
        features = extract(batches, sizes, forward, ranks)
        if not ranks.is_first:
            for _ in features:
                pass
            continue
        write_split(output, split, features, labels=labels[rows], index=rows, dtype=config.dtype)
        num_images[split] = len(rows)
    if not ranks.is_first:
        return
    write_summary(
        output,
        dataset,
        num_images=num_images,
        num_blocks=config.num_blocks,
        embed_dim=frozen.config.dim,
        backbone_sha256=sha256_of_file(path),
        weights=frozen.weights,
        resize=config.resize,
        crop_size=config.crop_size,
    )


if __name__ == "__main__":
    serve(run, FeaturesConfig, needs_jittor=True, on_ranks=True)
