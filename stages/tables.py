"""Collect the rows of all probes into the tables of an experiment."""

from pathlib import Path

from pipeline.config.stages import RuntimeConfig
from pipeline.config.tables import TablesConfig
from pipeline.graph.stage_runner import serve
from pipeline.report.rows import libraries_of, read_rows
from pipeline.report.table_files import write_tables
from pipeline.report.tables import table_lines


def run(config: TablesConfig, output: Path, *, runtime: RuntimeConfig, **probes: Path) -> None:
    """Write table.{md,csv,tex,json,txt} from probes named "<task>/<arm>-seed<s>"."""
    rows, made_with = [], set()
    for name, directory in probes.items():
        arm, _, seed = name.partition("/")[2].rpartition("-seed")
        rows += read_rows(directory, arm=arm, seed=int(seed))
        made_with |= libraries_of(directory)
    write_tables(output, table_lines(rows, config), config, made_with=sorted(made_with))


if __name__ == "__main__":
    serve(run, TablesConfig)
