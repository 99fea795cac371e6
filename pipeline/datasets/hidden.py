"""File and folder names that are never part of a data set."""


def is_hidden(name: str) -> bool:
    """Whether a name is left out: dot files, and what macOS and network storage add beside images."""
    return name.startswith(".") or name in ("__MACOSX", "@eaDir")
