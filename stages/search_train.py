"""Train all candidate heads jointly on one base; write checkpoints during training and scores at the end."""

from pathlib import Path

from pipeline.config.stages import RuntimeConfig
from pipeline.config.studies import JointTrainingConfig
from pipeline.graph.stage_runner import serve


def run(config: JointTrainingConfig, output: Path, *, data: Path, runtime: RuntimeConfig) -> str | None:
    """Write scores.json, cost.json and metrics.jsonl. No labels are read. Rank 0 alone writes.

    Returns:
        The digest of the scores, on which the ranking depends, not on the timings in cost.json; None in ranks
        other than 0.
    """
    from pipeline import kernels
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.ranks.exchange import ranks_of_this_process
    from pipeline.search.files import COST, SCORES
    from pipeline.search.training import train_jointly
    from pipeline.storage.files import sha256_of_file, write_json
    from pipeline.training.reporting import quiet, reporting

    kernels.use(runtime.kernels)
    dataset = PreparedDataset.open(data)
    ranks, title = ranks_of_this_process(), f"{len(config.candidates)} heads"
    with reporting(kernels.note, output, runtime, title=title) if ranks.is_first else quiet() as report:
        outcome = train_jointly(config, dataset, output, runtime=runtime, report=report, ranks=ranks)
    if outcome is None:
        return None
    write_json(output / COST, outcome.cost)
    write_json(output / SCORES, outcome.scores)
    return sha256_of_file(output / SCORES)


if __name__ == "__main__":
    serve(run, JointTrainingConfig, needs_jittor=True, on_ranks=True)
