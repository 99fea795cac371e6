"""The error for weights that cannot be used."""


class WeightsError(ValueError):
    """A weights file cannot be read or does not fit the network; the message is one line."""
