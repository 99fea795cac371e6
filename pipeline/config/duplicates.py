"""Settings of the search for duplicate images."""

from pydantic import Field

from pipeline.config.section import PositiveInt, Section


class DuplicatesConfig(Section):
    """Which images count as alike, and how many are compared."""

    # Two images are alike whose pictures of 16 x 16 grey pixels correlate at least so much.
    similarity: float = Field(default=0.995, gt=0, le=1)
    max_images: PositiveInt = 20_000  # of a larger data set so many are compared by look, evenly chosen
