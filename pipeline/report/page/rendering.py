"""A template and what it shows -> a page without any other file."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.report.page.figures import embedding_script
from pipeline.report.tables import points

MOST_BYTES = 8 * 2**20


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
    environment.filters["points"] = points
    text = environment.get_template(template).render(page=page, script=embedding_script())
    text = text.encode("utf-8", "backslashreplace").decode()  # names of files may be bytes that are no UTF-8
    if (size := len(text.encode())) > MOST_BYTES:
        raise ValueError(f"{template.removesuffix('.jinja')}: {size} bytes, expected at most {MOST_BYTES}")
    return text
