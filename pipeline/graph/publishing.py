"""Copies files for people, an experiment's tables and pictures, to `results/<experiment>/`."""

from pathlib import Path

from pipeline.graph.chosen_head import CHOSEN_HEAD, experiment_of_head
from pipeline.graph.fingerprints import Graph
from pipeline.graph.node import Node
from pipeline.storage.artifacts import DATA_SHEETS, place_links
from pipeline.storage.files import replacing

# Stages with files for people -> the files.
PUBLISHED: dict[str, str] = {
    "tables": "table.*",
    "report": "report.html",
    "ablate": "ablate.*",
    "search": "search.*",
    "search-validate": "search-validate.*",
}
_FIGURES = "figures"  # folder of the report's artifact


def publish(stage: str, artifact: Path, folder: Path, argument: str, *, name: str = "") -> list[Path]:
    """Copy an artifact's files for people into `folder`; equal files are not written again.

    Args:
        stage: the artifact's stage.
        argument: name of the experiment: a preset or a file.
        name: the node's name.

    Returns:
        The files in `folder`.
    """
    files = _for_people(stage, artifact, folder, argument, name)
    # Files of splits or figures that no longer exist must not stay.
    made = {"prepare": f"data/{name}-*.png", "report": f"{_FIGURES}/*"}.get(stage)
    for path in folder.glob(made) if made else ():
        # The pattern also matches pictures of nodes whose names only begin with this one.
        of_another = stage == "prepare" and path.stem.rpartition("-")[0] != name
        if not of_another and path.relative_to(folder).as_posix() not in files:
            path.unlink(missing_ok=True)
    for file, content in files.items():
        target = folder / file
        if not target.is_file() or target.read_bytes() != content:
            with replacing(target) as partial:
                partial.write_bytes(content)
    return [folder / file for file in files]


def is_published(stage: str, artifact: Path, folder: Path, argument: str, *, name: str = "") -> bool:
    """Whether `folder` has all of the artifact's files for people; true if there are none."""
    return all(
        (folder / file).is_file() and (folder / file).read_bytes() == content
        for file, content in _for_people(stage, artifact, folder, argument, name).items()
    )


def shown_after(folder: Path) -> dict[str, Path]:
    """Stage -> the table or page shown at the end of `doit run <stage>`; `all` shows its own."""
    files = {stage: folder / f"{stage}.txt" for stage in PUBLISHED if stage != "tables"}
    return files | {"report": folder / PUBLISHED["report"]}


def _for_people(stage: str, artifact: Path, folder: Path, argument: str, name: str) -> dict[str, bytes]:
    if stage == "prepare":
        sheets = sorted((artifact / DATA_SHEETS).glob("*.png"))
        return {f"data/{name}-{path.name}": path.read_bytes() for path in sheets}
    files = sorted(artifact.glob(PUBLISHED[stage])) if stage in PUBLISHED else []
    found = {path.name: path.read_bytes() for path in files}
    if stage == "report":
        found |= {f"{_FIGURES}/{path.name}": path.read_bytes() for path in (artifact / _FIGURES).glob("*")}
    if stage == "search":
        section = (artifact / CHOSEN_HEAD).read_text(encoding="utf-8")
        found[CHOSEN_HEAD] = experiment_of_head(section, folder, argument).encode()
    return found


def link_pictures(graph: Graph, nodes: list[Node], folder: Path) -> None:
    """Link the pictures of `nodes` as `folder/<stage>-<node>-<picture>`; other links are removed."""
    wanted = {
        f"{node.link}-{picture.name}": picture
        for node in nodes
        if (directory := graph.directory(node))
        for picture in sorted(directory.glob("*.png"))
    }
    place_links(folder, wanted)
