"""`doit run shard [experiment=NAME] [shard_mib=512] [out=FOLDER]`: write prepared images as shards."""

import sys
from pathlib import Path

from tqdm import tqdm

from pipeline.datasets.prepared import PreparedDataset
from pipeline.graph.experiment_graph import read_argument
from pipeline.graph.finished import Finished
from pipeline.graph.stage_runner import exit_code_of
from pipeline.graph.subprocesses import end_on_signal
from pipeline.inference.options import UsageError, read_options
from pipeline.shards.writing import Sharding, write_shards

RESULTS = Path(__file__).resolve().parent.parent / "results"
_USAGE = "usage: doit run shard [experiment=quickstart] [shard_mib=512] [out=FOLDER]"


def main(arguments: list[str]) -> int:
    """Write the folder; return the exit code."""
    return exit_code_of(lambda: _run(arguments))


def _run(arguments: list[str]) -> None:
    options = read_options(arguments, known=("experiment", "shard_mib", "out"), needed=(), usage=_USAGE)
    named = options.get("experiment", "quickstart")
    size = options.get("shard_mib", "512")
    if not size.isdecimal() or not int(size):
        raise UsageError(f"shard_mib={size}: expected a whole number of MiB, 1 or more")
    _, experiment = read_argument(named, Path.cwd())
    target = Path(options.get("out") or f"{experiment.name}-shards").expanduser().absolute()
    if target.exists():
        raise UsageError(f"{target} is there already; name another folder by out=")
    dataset = PreparedDataset.open(Finished(named, experiment, RESULTS).prepared())
    if dataset.has_channels:
        raise UsageError(
            f"{dataset.name} has images of {dataset.num_channels} channels, and shards hold RGB of 8 bits"
        )
    sharding = Sharding(dataset, max_bytes=int(size) * 2**20, seed=experiment.data.split_seed)
    counts = dataset.summary["counts"]
    with tqdm(desc="shard", unit="image", total=sum(counts.values()), dynamic_ncols=True) as bar:
        threads = experiment.runtime.num_threads
        shards = write_shards(sharding, target, num_threads=threads, progress=bar.update)
    shown = ", ".join(f"{count} {split}" for split, count in counts.items() if count)
    print(f"wrote {target}: {len(shards)} shards, {shown}; listed in index.json")
    print(f'read them by [data] source = "{target}"; from front to back with [schedule.shuffle]')
    if limits := dataset.summary["grey_range"]:
        print(f"16-bit grey was prepared with data.grey_range = {limits}: state it where they are read")
    if left_out := dataset.summary["num_unused"]:
        print(f"left out: {left_out} images of parts that are not used")


if __name__ == "__main__":
    end_on_signal()
    sys.exit(main(sys.argv[1:]))
