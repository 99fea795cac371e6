"""Collect the rows of all probes into the tables of an experiment."""

from pathlib import Path

from pipeline.config.stages import RuntimeConfig
from pipeline.config.tables import TablesConfig
from pipeline.graph.stage_runner import serve
from pipeline.report.rows import libraries_of, read_rows
from pipeline.report.table_files import write_tables
from pipeline.report.tables import table_lines
from pipeline.storage.runs import Run


def run(config: TablesConfig, output: Path, *, runs: list[Run], runtime: RuntimeConfig) -> None:
    """Write table.{md,csv,tex,json,txt} from the rows of all probes, arms and seeds."""
    rows, made_with = [], set()
    for probe in runs:
        rows += read_rows(probe.directory, arm=probe.key.arm, seed=probe.key.seed)
        made_with |= libraries_of(probe.directory)
    write_tables(output, table_lines(rows, config), config, made_with=sorted(made_with))


if __name__ == "__main__":
    serve(run, TablesConfig)
