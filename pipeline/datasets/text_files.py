"""Reads text files made by others."""

from pathlib import Path


def text_of(file: Path) -> str:
    """The text of a UTF-8 file, with or without a byte-order mark.

    Raises:
        ValueError: it is not text.
        OSError: it cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: expected text in UTF-8, found other bytes ({error})") from error
    if (place := text.find("\0")) >= 0:  # no path has one
        raise ValueError(f"{file}: expected text, found a zero byte after {place} characters")
    return text
