"""Settings of what is looked at in a backbone, and in the auxiliary head that it was trained with."""

from pipeline.config.section import PositiveInt, Section
from pipeline.config.stages import FeaturesConfig, PretrainConfig


class ViewsConfig(Section):
    """A sample of images, cropped as for features; and what was pretrained."""

    features: FeaturesConfig
    pretraining: PretrainConfig | None = None  # of the auxiliary head; None: there is none to look at
    num_shown: PositiveInt = 400  # images of a map: more points hide one another
    num_bank: PositiveInt = 2000  # training images among which the nearest are looked for
    num_pictures: PositiveInt = 4  # images whose attention and colours are drawn
