"""Picture files on the page."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.report.page.thumbnails import picture_address

_SIDE = 900  # pixels; the files themselves lie in results/<experiment>/pictures


@dataclass(frozen=True)
class Picture:
    """A picture file on the page."""

    title: str
    alt: str
    address: str


def picture_of(path: Path, title: str, alt: str | None = None) -> Picture:
    """A picture file; without an `alt`, its title says what it shows to those who do not see it."""
    return Picture(title, alt or title, picture_address(path, _SIDE))
