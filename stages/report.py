"""The report of an experiment: one page that works offline, and its figures for papers."""

from pathlib import Path

from pipeline.config.report import ReportConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(config: ReportConfig, output: Path, *, tables: Path, runtime: RuntimeConfig, **inputs: Path) -> None:
    """Write report.html and figures/<name>.{svg,png}.

    Args:
        inputs: prepared data sets named "data/<what for>", everything else "<stage>[-<run>]/<arm>-seed<s>".
    """
    from pipeline.report.page.contents import Made, contents
    from pipeline.report.page.writing import write_page
    from pipeline.storage.files import read_json

    images, made = {}, []
    for name, directory in inputs.items():
        run, _, backbone = name.partition("/")
        if run == "data":
            images[backbone] = directory
        else:
            arm, _, seed = backbone.rpartition("-seed")
            made.append(Made(run.partition("-")[0], run, arm, int(seed), directory))
    lines = read_json(tables / "table.json")
    write_page(contents(config.tables, lines, made, images, config.settings), output)


if __name__ == "__main__":
    serve(run, ReportConfig)
