"""Write the report of an experiment: one self-contained page, and figures for papers."""

from pathlib import Path

from pipeline.config.report import ReportConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.stage_runner import serve
from pipeline.storage.runs import Run


def run(config: ReportConfig, output: Path, *, tables: Path, runs: list[Run], runtime: RuntimeConfig) -> None:
    """Write report.html and figures/<name>.{svg,pdf,png} from the tables and every run of the experiment."""
    from pipeline.report.page.contents import contents
    from pipeline.report.page.writing import write_page
    from pipeline.storage.files import read_json

    lines = read_json(tables / "table.json")
    write_page(contents(config.tables, lines, runs, config.settings), output)


if __name__ == "__main__":
    serve(run, ReportConfig)
