"""Does the search's ranking hold? Compare it with the gain of every candidate trained alone."""

from pathlib import Path

from pipeline.config.stages import RuntimeConfig
from pipeline.config.studies import SearchValidateConfig
from pipeline.graph.stage_runner import serve
from pipeline.studies.search_validation import write_search_validation


def run(
    config: SearchValidateConfig, output: Path, *, search: Path, runtime: RuntimeConfig, **trained: Path
) -> None:
    """Write search-validate.{md,csv,tex,json,txt}; trainings and probes are "<stage>/<name>-seed<s>"."""
    write_search_validation(output, config, search, trained)


if __name__ == "__main__":
    serve(run, SearchValidateConfig)
