"""The linear probe on augmented crops: what differs from the one on cached features."""

from pydantic import model_validator

from pipeline.config.section import Positive, Section, Share
from pipeline.config.stages import FeaturesConfig
from pipeline.evaluate.probes.settings import LinearConfig

LINEAR_AUGMENTED = "linear-augmented"


class LinearAugmentedSection(Section):
    """iBOT's linear protocol on random crops of the training images; the rest is set by `[linear]`.

    Every batch goes through the network, so this takes `linear.epochs` times as long as `features`.
    """

    scale: tuple[Positive, Positive] = (0.08, 1.0)  # share of the image's area in a crop
    aspect_ratio: tuple[Positive, Positive] = (3 / 4, 4 / 3)  # width / height
    flip_probability: Share = 0.5

    @model_validator(mode="after")
    def _possible(self) -> "LinearAugmentedSection":
        for name, most in (("scale", 1.0), ("aspect_ratio", None)):
            low, high = getattr(self, name)
            if low > high or (most is not None and high > most):
                raise ValueError(f"{name} must be (low, high), at most {most or 'any'}, got ({low}, {high})")
        return self


class LinearAugmentedConfig(Section):
    """All settings of the stage."""

    views: LinearAugmentedSection
    linear: LinearConfig
    features: FeaturesConfig
