"""Collect the rows of all probes into the tables of an experiment."""

from pathlib import Path

from pipeline.config.stages import RuntimeConfig
from pipeline.config.tables import TablesConfig
from pipeline.graph.stage_runner import serve
from pipeline.measures.rows import libraries_of, read_rows
from pipeline.report.duplicates import cautions
from pipeline.report.further_data import not_measured, read_duplicates
from pipeline.report.machines import machine_of, machines_sentence
from pipeline.report.table_files import write_tables
from pipeline.report.tables import table_lines
from pipeline.storage.runs import Run
from pipeline.training.metrics_log import METRICS, read_metrics


def run(config: TablesConfig, output: Path, *, runs: list[Run], runtime: RuntimeConfig) -> None:
    """Write table.{md,csv,tex,json,txt} from the rows of every probe, arm and seed.

    Pretrainings contribute their numbers of steps, the search for duplicates its cautions.
    """
    rows, made_with, num_steps, doubts = [], set(), {}, []
    computed_on = machines_sentence(machine_of(made.directory) for made in runs)
    for made in runs:
        if made.stage == "duplicates":
            doubts += cautions(read_duplicates(made))
            continue
        if made.stage == "pretrain":
            logged = read_metrics(made.directory / METRICS)
            num_steps |= {made.key.arm: logged[-1]["step"]} if logged else {}
            continue
        key = made.key
        rows += read_rows(made.directory, arm=key.arm, seed=key.seed, evaluation=key.data)
        doubts += not_measured(made)
        made_with |= libraries_of(made.directory)
    lines = table_lines(rows, config, num_steps)
    cautions_once = [*dict.fromkeys(doubts)]
    write_tables(
        output, lines, config, made_with=sorted(made_with), computed_on=computed_on, cautions=cautions_once
    )


if __name__ == "__main__":
    serve(run, TablesConfig)
