"""The studies of the auxiliary head on the page: tables, and figures of gain over discrepancy."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.report.page.charts.studies import gains
from pipeline.report.page.figures import Figure
from pipeline.storage.files import read_json

STUDIES = {  # stage -> title
    "ablate": "Variants of the auxiliary head",
    "search": "Search for an auxiliary head",
    "search-validate": "The search's candidates, each trained alone",
}
_GAIN = "_gain"


@dataclass(frozen=True)
class StudyView:
    """One study."""

    title: str
    headers: list[str]
    rows: list[list[str]]
    sentences: list[str]
    figures: list[Figure]


def study_view(stage: str, folder: Path, confidence: float) -> StudyView:
    """The view of a study from the artifact of its last stage."""
    found = read_json(folder / f"{stage}.json")
    lines, shown = found["lines"], found["shown"]
    probes = dict.fromkeys(key.removesuffix(_GAIN) for line in lines for key in line if key.endswith(_GAIN))
    figures = [gains(stage, probe, _gains(lines, probe), confidence) for probe in probes]
    return StudyView(
        STUDIES[stage],
        shown["headers"],
        shown["rows"],
        shown["sentences"],
        [figure for figure in figures if figure is not None],
    )


def _gains(lines: Sequence[dict[str, Any]], probe: str) -> list[dict[str, Any]]:
    """Values for `charts.studies.gains`: the heads with a discrepancy and a gain."""
    names = {"gain": "", "low": "_ci_low", "high": "_ci_high"}
    return [
        {"head": line["name"], "1 - CKA": line["cka"]}
        | {
            name: None if line.get(f"{probe}{_GAIN}{end}") is None else 100 * line[f"{probe}{_GAIN}{end}"]
            for name, end in names.items()
        }
        for line in lines
        if line.get("cka") is not None and line.get(f"{probe}{_GAIN}") is not None
    ]
