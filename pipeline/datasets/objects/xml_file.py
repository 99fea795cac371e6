"""Reading an xml file from elsewhere."""

import xml.etree.ElementTree as xml
from pathlib import Path


class _WithoutEntities(xml.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        # Entities, declared there, can make a small file a huge one.
        raise ValueError(f"expected no document type, found <!DOCTYPE {name}>")


def xml_root(path: Path) -> xml.Element:
    """The root of an xml file.

    Raises:
        xml.etree.ElementTree.ParseError: it is no xml.
        ValueError: it declares a document type.
    """
    return xml.parse(path, xml.XMLParser(target=_WithoutEntities())).getroot()
