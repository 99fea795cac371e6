"""Writes the self-contained page, and its figures as files."""

from pathlib import Path

from pipeline.report.page.contents import Contents
from pipeline.report.page.figures import file_names, write_figure
from pipeline.report.page.rendering import rendered
from pipeline.storage.files import write_text

PAGE = "report.html"
FIGURES = "figures"


def write_page(contents: Contents, directory: Path) -> None:
    """Write report.html and figures/<name>.{svg,pdf,png}.

    Raises:
        ValueError: the page is too large, see `rendered`.
    """
    text = page_text(contents)
    for figure, name in zip(contents.figures, file_names(contents.figures), strict=True):
        write_figure(figure, directory / FIGURES, name)
    write_text(directory / PAGE, text)


def page_text(contents: Contents) -> str:
    """The page of an experiment.

    Raises:
        ValueError: it is larger than a page may be.
    """
    return rendered("report.html.jinja", contents)
