"""Choose an auxiliary head: rank the candidates by the scores of the joint trainings."""

from pathlib import Path

from pipeline.config.stages import RuntimeConfig
from pipeline.config.studies import SearchConfig
from pipeline.graph.stage_runner import serve
from pipeline.storage.runs import Run
from pipeline.studies.search import write_search


def run(config: SearchConfig, output: Path, *, runs: list[Run], runtime: RuntimeConfig) -> None:
    """Write search.{md,csv,tex,json,txt} and chosen-head.toml from the joint training of every seed."""
    write_search(output, config, runs)


if __name__ == "__main__":
    serve(run, SearchConfig)
