"""What is measured while pretraining runs."""

from typing import ClassVar

from pydantic import Field

from pipeline.config.section import NonNegativeInt, PositiveInt, Section


class MonitorConfig(Section):
    """Measures of the features on a fixed sample of training images while pretraining runs."""

    fewest_images: ClassVar[int] = 8  # two queries, and a bank of six

    every_epochs: NonNegativeInt = 0  # of pretraining, and at its end; 0: never
    # Drawn from the training part, all of it if it has fewer. Every fourth is a query, the others are the
    # bank that its neighbours are looked for in.
    num_images: int = Field(default=1024, ge=fewest_images)
    k: PositiveInt = 20  # neighbours that vote; the bank's size if that is less
    seed: NonNegativeInt = 0  # of the sample and its views: every arm and seed is measured on the same images
