"""The error of refused exports."""


class ExportError(ValueError):
    """The base cannot be exported in this way; the message says why, and what is possible."""
