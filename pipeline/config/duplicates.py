"""Settings of the search for duplicate images."""

from pydantic import Field

from pipeline.config.section import PositiveInt, Section


class DuplicatesConfig(Section):
    """Which images count as duplicates, and how many are compared."""

    # Two images are duplicates if their thumbnails of 16 x 16 grey pixels correlate at least this much.
    similarity: float = Field(default=0.995, gt=0, le=1)
    max_images: PositiveInt = 20_000  # of a larger data set so many, evenly spaced, are compared by thumbnail
