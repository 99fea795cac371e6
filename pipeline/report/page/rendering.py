"""Renders a template as a self-contained HTML page."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.report.page.embedding_script import embedding_script
from pipeline.report.tables import points

MOST_BYTES = 8 * 2**20


def rendered(template: str, page: Any) -> str:
    """The page as HTML; all values are escaped.

    Raises:
        ValueError: the page has more than MOST_BYTES bytes.
    """
    environment = Environment(
        loader=PackageLoader("pipeline.report.page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["points"] = points
    text = environment.get_template(template).render(page=page, script=embedding_script())
    text = text.encode("utf-8", "backslashreplace").decode()  # file names may be invalid UTF-8
    if (size := len(text.encode())) > MOST_BYTES:
        raise ValueError(f"{template.removesuffix('.jinja')}: {size} bytes, expected at most {MOST_BYTES}")
    return text
