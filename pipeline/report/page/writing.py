"""The page as one file without any other, and its figures as files."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.report.page.contents import Contents
from pipeline.report.page.figures import embedding_script, file_names, write_figure
from pipeline.storage.files import write_text

PAGE = "report.html"
FIGURES = "figures"
MOST_BYTES = 8 * 2**20


def write_page(contents: Contents, directory: Path) -> None:
    """Write report.html and figures/<name>.{svg,pdf,png}.

    Raises:
        ValueError: the page is larger than MOST_BYTES.
    """
    text = page_text(contents)
    for figure, name in zip(contents.figures, file_names(contents.figures), strict=True):
        write_figure(figure, directory / FIGURES, name)
    write_text(directory / PAGE, text)


def page_text(contents: Contents) -> str:
    """The page of an experiment.

    Raises:
        ValueError: it is larger than MOST_BYTES.
    """
    return rendered("report.html.jinja", contents)


def rendered(template: str, page: Any) -> str:
    """A page by its template; every name in it is escaped.

    Raises:
        ValueError: it is larger than MOST_BYTES.
    """
    environment = Environment(
        loader=PackageLoader("pipeline.report.page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(page=page, script=embedding_script())
    if (size := len(text.encode())) > MOST_BYTES:
        raise ValueError(f"{template.removesuffix('.jinja')}: {size} bytes, expected at most {MOST_BYTES}")
    return text
