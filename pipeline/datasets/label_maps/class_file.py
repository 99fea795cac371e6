"""Reads `classes.json` beside the images: names of the classes by label, and ignored values."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.storage.files import read_json

FILE_NAME = "classes.json"


@dataclass(frozen=True)
class ClassFile:
    """Content of a `classes.json`; both None if there is none."""

    class_names: tuple[str, ...] | None = None
    ignored: tuple[int, ...] | None = None


def read_class_file(root: Path) -> ClassFile:
    """Read `{"classes": [names in label order], "ignore_index": value}`, or a list of names alone.

    Raises:
        ValueError: the file has another content.
    """
    path = root / FILE_NAME
    if not path.is_file():
        return ClassFile()
    found = read_json(path)
    content = {"classes": found} if isinstance(found, list) else found
    names = content.get("classes") if isinstance(content, dict) else None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f'{path}: expected {{"classes": [names in label order], "ignore_index": value}}')
    if len(set(names)) != len(names):
        raise ValueError(f"{path}: expected distinct class names, found {names}")
    ignored = content.get("ignore_index")
    if ignored is not None and not (isinstance(ignored, int) and 0 <= ignored < 2**16):
        raise ValueError(f"{path}: expected an ignore_index from 0 to 65535, found {ignored!r}")
    return ClassFile(tuple(names), None if ignored is None else (ignored,))
