"""Stage: check and split the images of an experiment, and decode them once where that fits."""

from pathlib import Path

from tqdm import tqdm

from pipeline.config.data import DataConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.preparing import prepare


def run(config: DataConfig, output: Path, *, runtime: RuntimeConfig) -> str:
    """Write the prepared folder to `output`, print what is in it, and return the digest of its content."""
    with tqdm(desc="prepare", unit=" images") as bar:

        def progress(num_done: int, num_total: int) -> None:
            bar.total = num_total
            bar.update(num_done - bar.n)

        summary = prepare(config, output, num_workers=runtime.threads, progress=progress)
    for line in described(summary):
        print(line)
    return summary["content_digest"]


def described(summary: dict) -> list[str]:
    """The lines that a person wants to see after preparing."""
    counts = ", ".join(
        f"{summary['counts'][split]} {split} ({words})" for split, words in summary["split_names"].items()
    )
    lines = [f"{summary['name']} ({summary['format']}): {counts}; {len(summary['class_names'])} classes"]
    if summary["num_quarantined"]:
        lines.append(f"left out: {summary['num_quarantined']} images that cannot be used, see quarantine.csv")
    if summary["num_unused"]:
        lines.append(f"left out: {summary['num_unused']} test images without labels")
    if summary["num_outside_splits"]:
        lines.append(f"left out: {summary['num_outside_splits']} images beside the split folders")
    if leaked := summary["duplicates"]["test_in_train"]:
        lines.append(f"caution: {leaked} test images are also training images (equal contents)")
    return lines


if __name__ == "__main__":
    from pipeline.request import serve

    serve(run, DataConfig)
