"""Check the search's ranking against the gain of every candidate trained alone."""

from pathlib import Path

from pipeline.config.stages import RuntimeConfig
from pipeline.config.studies import SearchValidateConfig
from pipeline.graph.stage_runner import serve
from pipeline.storage.runs import Run
from pipeline.studies.search_validation import write_search_validation


def run(
    config: SearchValidateConfig, output: Path, *, search: Path, runs: list[Run], runtime: RuntimeConfig
) -> None:
    """Write search-validate.{md,csv,tex,json,txt} from the search and the candidates trained alone."""
    write_search_validation(output, config, search, runs)


if __name__ == "__main__":
    serve(run, SearchValidateConfig)
