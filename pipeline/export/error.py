"""What export refuses."""


class ExportError(ValueError):
    """The base cannot be exported in this way; the message says why and what can be done."""
