"""The page as one file without any other, and its figures as files."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.report.page.contents import Contents
from pipeline.report.page.figures import embedding_script, write_figure
from pipeline.storage.files import write_text

PAGE = "report.html"
FIGURES = "figures"
MOST_BYTES = 8 * 2**20


def write_page(contents: Contents, directory: Path) -> None:
    """Write report.html and figures/<name>.{svg,png}.

    Raises:
        ValueError: the page is larger than MOST_BYTES.
    """
    text = page_text(contents)
    if (size := len(text.encode())) > MOST_BYTES:
        raise ValueError(f"{PAGE}: {size} bytes, expected at most {MOST_BYTES}")
    folder = directory / FIGURES
    folder.mkdir(exist_ok=True)
    for figure in contents.figures:
        write_figure(figure, folder)
    write_text(directory / PAGE, text)


def page_text(contents: Contents) -> str:
    """The page; every name in it is escaped."""
    environment = Environment(
        loader=PackageLoader("pipeline.report.page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja").render(page=contents, script=embedding_script())
