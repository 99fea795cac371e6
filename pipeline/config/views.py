"""Settings of the views of a backbone, and of the auxiliary head that it was trained with."""

from pipeline.config.section import PositiveInt, Section
from pipeline.config.stages import FeaturesConfig, PretrainConfig


class ViewsConfig(Section):
    """A sample of images, cropped as for features; and the pretraining."""

    features: FeaturesConfig
    pretraining: PretrainConfig | None = None  # of the auxiliary head; None: there is no head
    num_shown: PositiveInt = 400  # images of a scatter plot: more points would hide one another
    num_bank: PositiveInt = 2000  # training images among which the nearest neighbours are searched
    num_pictures: PositiveInt = 4  # images whose attention and patch colours are drawn
