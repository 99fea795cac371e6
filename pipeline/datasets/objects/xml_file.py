"""Reads untrusted xml files."""

import xml.etree.ElementTree as xml
from pathlib import Path

MOST_BYTES = 2**31  # CVAT puts all images of a task into one file
MOST_LEVELS = 64  # VOC and CVAT use at most 5


class _Limited(xml.TreeBuilder):
    def __init__(self) -> None:
        super().__init__()
        self._levels = 0

    def start(self, tag: str, attrs: dict[str, str]) -> xml.Element:
        self._levels += 1
        if self._levels > MOST_LEVELS:
            raise ValueError(f"expected at most {MOST_LEVELS} elements within each other, found more")
        return super().start(tag, attrs)

    def end(self, tag: str) -> xml.Element:
        self._levels -= 1
        return super().end(tag)

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        # A document type can declare entities, which make a small file a huge one.
        raise ValueError(f"expected no document type, found <!DOCTYPE {name}>")


class _Found(Exception):
    """Ends parsing once the first element is known."""


class _RootTag(xml.TreeBuilder):
    def start(self, tag: str, attrs: dict[str, str]) -> xml.Element:
        raise _Found(tag)


def root_tag(path: Path) -> str | None:
    """Name of the first element of a file; None if it is not xml. Nothing after that element is parsed."""
    parser = xml.XMLParser(target=_RootTag())
    try:
        with open(path, "rb") as stream:
            while block := stream.read(2**12):
                parser.feed(block)
    except _Found as found:
        return str(found)
    except (xml.ParseError, ValueError, OSError):
        return None
    return None


def xml_root(path: Path) -> xml.Element:
    """The root of an xml file.

    Raises:
        xml.etree.ElementTree.ParseError: it is not xml.
        ValueError: it declares a document type, is too large, or too deeply nested.
    """
    if (num_bytes := path.stat().st_size) > MOST_BYTES:
        raise ValueError(f"expected at most {MOST_BYTES} bytes, found {num_bytes}")
    return xml.parse(path, xml.XMLParser(target=_Limited())).getroot()
