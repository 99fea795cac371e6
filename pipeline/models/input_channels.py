"""The number of input channels of a base."""

from pipeline.config.backbone import BackboneConfig

_RGB = 3


def input_channels(config: BackboneConfig) -> int:
    """Channels of the images: `backbone.channels`, else 3."""
    return config.channels or _RGB
