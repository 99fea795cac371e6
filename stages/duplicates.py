"""Find duplicate images, above all those that are tested on and were trained on."""

from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from pipeline.config.duplicates import DuplicatesConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(config: DuplicatesConfig, output: Path, *, data: Path, runtime: RuntimeConfig) -> None:
    """Write duplicates.json: how many images are equal or look alike, by part, and some of them."""
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
