"""What is measured while pretraining runs."""

from pydantic import Field

from pipeline.config.section import NonNegativeInt, PositiveInt, Section

FEWEST_IMAGES = 8  # two queries, and a bank of six


class MonitorConfig(Section):
    """Measures of the features on a fixed sample of training images while pretraining runs."""

    every_epochs: NonNegativeInt = 0  # of pretraining, and at its end; 0: never
    # Drawn from the training part, all of it if it has fewer. Every fourth is a query, the others are the
    # bank that its neighbours are looked for in.
    num_images: int = Field(default=1024, ge=FEWEST_IMAGES)
    k: PositiveInt = 20  # neighbours that vote; the bank's size if that is less
    seed: NonNegativeInt = 0  # of the sample and its views: every arm and seed is measured on the same images
    pictures: bool = False  # also attention and principal components of the patches of a few of the images
