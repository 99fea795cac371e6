"""A toy report, which reads only the table."""

from pipeline.config.report import ReportConfig
from pipeline.graph.stage_runner import serve
from pipeline.storage.files import write_text


def run(config, output, *, tables, runtime, **inputs):
    write_text(output / "report.html", (tables / "table.txt").read_text())


if __name__ == "__main__":
    serve(run, ReportConfig)
