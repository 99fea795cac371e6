"""Find duplicate images, above all test images that also occur in training."""

from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from pipeline.config.duplicates import DuplicatesConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(config: DuplicatesConfig, output: Path, *, data: Path, runtime: RuntimeConfig) -> None:
    """Write duplicates.json: numbers of equal and nearly equal images for each two splits, with examples."""
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.report.duplicates import DUPLICATES, cautions, find_duplicates
    from pipeline.storage.files import write_json

    dataset = PreparedDataset.open(data)
    found = find_duplicates(dataset, config, num_threads=runtime.num_threads, show=_with_bar)
    write_json(output / DUPLICATES, found)
    for sentence in cautions(found):
        print(sentence)


def _with_bar(images: Iterable, total: int) -> Iterable:
    return tqdm(images, unit="image", total=total, dynamic_ncols=True)


if __name__ == "__main__":
    serve(run, DuplicatesConfig)
