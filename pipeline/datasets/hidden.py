"""File and folder names that are never part of a data set."""


def is_hidden(name: str) -> bool:
    """Whether a name is hidden: dot files, and files that macOS and network storage add."""
    return name.startswith(".") or name in ("__MACOSX", "@eaDir")
