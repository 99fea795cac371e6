"""Check and split the images of an experiment, and decode them once if they fit."""

from pathlib import Path

from tqdm import tqdm

from pipeline.config.data import DataConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from pipeline.datasets.summary_lines import described
from pipeline.report.data_sheets import write_data_sheets
from pipeline.storage.artifacts import DATA_SHEETS


def run(config: DataConfig, output: Path, *, runtime: RuntimeConfig) -> str:
    """Write the prepared data set to `output`, print its description, and return its content digest."""
    with tqdm(unit=" images") as bar:

        def progress(num_done: int, num_total: int) -> None:
            bar.total = num_total
            bar.update(num_done - bar.n)

        summary = prepare(config, output, num_workers=runtime.threads, progress=progress)
    for line in described(summary, output):
        print(line)
    _draw(output)
    return summary["content_digest"]


def _draw(output: Path) -> None:
    try:
        write_data_sheets(PreparedDataset.open(output), output / DATA_SHEETS)
    except Exception as error:  # any: a failed picture must not undo the preparation
        print(f"caution: no pictures of the data were drawn: {error}")


if __name__ == "__main__":
    from pipeline.graph.stage_runner import serve

    serve(run, DataConfig)
