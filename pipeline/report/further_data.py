"""The data sets of [[evaluate]] in tables and page, under the experiment's names for them."""

from typing import Any

from pipeline.config.evaluate import PURPOSES
from pipeline.report.duplicates import DUPLICATES
from pipeline.storage.files import read_json
from pipeline.storage.runs import Run

_NO_ROWS = "no_rows.txt"


def further_name(run: Run) -> str | None:
    """Name of a run's further data set; None: the experiment's own images."""
    return None if run.key.data in PURPOSES else run.key.data


def read_duplicates(run: Run) -> dict[str, Any]:
    """The result of a run of `duplicates`, with the display name of its data set."""
    found, name = read_json(run.directory / DUPLICATES), further_name(run)
    return found | {"dataset": name} if name else found


def not_measured(run: Run) -> list[str]:
    """A sentence for each reason why a run on a further data set lacks rows."""
    path, name = run.directory / _NO_ROWS, further_name(run)
    if name is None or not path.is_file():
        return []
    return [f"Caution: {name}: {reason}." for reason in path.read_text(encoding="utf-8").splitlines()]
