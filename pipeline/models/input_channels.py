"""How many channels a base takes."""

from pipeline.config.backbone import BackboneConfig

_RGB = 3


def input_channels(config: BackboneConfig) -> int:
    """Channels of the images: as `backbone.channels` says, else 3."""
    return config.channels or _RGB
