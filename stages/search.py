"""Choose an auxiliary head: rank the candidates of the joint trainings."""

from pathlib import Path

from pipeline.config.stages import RuntimeConfig
from pipeline.config.studies import SearchConfig
from pipeline.graph.stage_runner import serve
from pipeline.studies.search import write_search


def run(config: SearchConfig, output: Path, *, runtime: RuntimeConfig, **trainings: Path) -> None:
    """Write search.{md,csv,tex,json,txt} and chosen-head.toml from joint trainings named "seed<s>"."""
    write_search(output, config, trainings)


if __name__ == "__main__":
    serve(run, SearchConfig)
