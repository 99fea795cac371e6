"""Take the pixels of every image for features: the floor that a network's features should beat."""

from functools import partial
from pathlib import Path

from tqdm import tqdm

from pipeline.config.stages import PixelsConfig, RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(config: PixelsConfig, output: Path, *, data: Path, runtime: RuntimeConfig) -> None:
    """Write what the stage `features` writes, with pixels in place of a network's vectors."""
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.evaluate.feature_files import SUMMARY, write_split
    from pipeline.evaluate.features import batch_rows
    from pipeline.evaluate.pixels import pixel_features
    from pipeline.pretrain.input_statistics import input_statistics
    from pipeline.storage.files import write_json
    from pipeline.training.prefetch import prefetch

    dataset = PreparedDataset.open(data)
    mean, std = input_statistics(config.normalization, dataset)
    of = partial(pixel_features, dataset, resize=config.resize, side=config.side, mean=mean, std=std)
    num_images = {}
    for split in ("train", "val", "test"):
        rows = dataset.indices(split)
        if not len(rows):
            continue
        parts = batch_rows(rows, config.batch_size)
        batches = prefetch(
            lambda step, parts=parts: of(parts[step]),
            range(len(parts)),
            num_threads=runtime.num_threads,
        )
        shown = tqdm(batches, desc=split, unit="batch", total=len(parts), dynamic_ncols=True)
        # Every probe reads one of two arrays; of pixels there is one.
        write_split(
            output, split, ((each[:, None], each) for each in shown), labels=dataset.labels[rows], index=rows
        )
        num_images[split] = len(rows)
    write_json(
        output / SUMMARY,
        {
            "dataset": dataset.name,
            "class_names": dataset.class_names,
            "split_names": dataset.split_names,
            "content_digest": dataset.content_digest,
            "num_images": num_images,
            "num_blocks": 1,
            "embed_dim": 3 * config.side**2,
            "resize": config.resize,
            "crop_size": config.side,
        },
    )


if __name__ == "__main__":
    serve(run, PixelsConfig)
