"""What people read: the tables and pictures of an experiment, in `results/<experiment>/`."""

from pathlib import Path

from pipeline.artifacts import place_link
from pipeline.files import replacing
from pipeline.graph import Graph
from pipeline.nodes import Node


def publish_tables(artifact: Path, folder: Path) -> None:
    """Copy an artifact's tables whole into `folder`; files that are equal already are left alone."""
    for table in sorted(artifact.glob("table.*")):
        content, target = table.read_bytes(), folder / table.name
        if not target.is_file() or target.read_bytes() != content:
            with replacing(target) as partial:
                partial.write_bytes(content)


def is_published(artifact: Path, folder: Path) -> bool:
    """Whether `folder` holds the artifact's tables."""
    pairs = [(table, folder / table.name) for table in artifact.glob("table.*")]
    return all(copy.is_file() and copy.read_bytes() == table.read_bytes() for table, copy in pairs)


def link_pictures(graph: Graph, nodes: list[Node], folder: Path) -> None:
    """Link the pictures of `nodes` as `folder/<stage>-<node>-<picture>`; links to others are removed."""
    wanted = {
        f"{node.link}-{picture.name}": picture
        for node in nodes
        if (directory := graph.directory(node))
        for picture in sorted(directory.glob("*.png"))
    }
    if folder.is_dir():
        for link in folder.iterdir():
            if link.is_symlink() and link.name not in wanted:
                link.unlink(missing_ok=True)
    for name, picture in wanted.items():
        place_link(folder / name, picture)
