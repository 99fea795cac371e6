"""A finished experiment, read from its table and the artifacts that the table names."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.measures.rows import Row, read_rows
from pipeline.report.comparison.part_digest import part_digest
from pipeline.report.tables import Line
from pipeline.storage.artifacts import RECORD, artifacts_root, content_of, read_stamp
from pipeline.storage.files import read_json, sha256_of_file

TABLE = "table.json"
_NEEDED = ("arm", "task", "metric", "value", "seeds", "dataset", "split", "num_images", "protocol")
_NO_PROTOCOL = ("seed", "num_bootstrap")  # settings of a probe that are not part of its protocol
_DATA = ("data", "segmentation", "detection")  # names under which a stage reads prepared images


@dataclass(frozen=True, eq=False)
class Finished:
    """The table of an experiment, and where its artifacts are."""

    label: str  # its name; as the user gave it, if two would have the same name
    folder: Path  # results/<experiment>
    lines: list[Line]

    @classmethod
    def read(cls, folder: Path) -> "Finished":
        """The experiment whose results are in a folder.

        Raises:
            FileNotFoundError: there is no table.
            ValueError: the table lacks keys.
        """
        path = folder / TABLE
        lines = read_json(path)
        for number, line in enumerate(lines if isinstance(lines, list) else [None], start=1):
            missing = [key for key in _NEEDED if not isinstance(line, dict) or key not in line]
            if missing:
                raise ValueError(f"{path}: row {number}: expected the keys {', '.join(missing)}")
        return cls(folder.name, folder, lines)

    @property
    def confidence(self) -> float:
        """Level of every interval of the table."""
        return self.lines[0].get("confidence", 0.95) if self.lines else 0.95

    @property
    def _results(self) -> Path:
        return self.folder.parent

    @cached_property
    def _stamps(self) -> list[dict[str, Any]]:
        """The stamps of the probes that the table names, as far as they still exist."""
        found = {prefix for line in self.lines for prefix in line.get("fingerprint", "").split()}
        directories = [self._artifact(fingerprint) for fingerprint in sorted(found)]
        return [read_stamp(directory) for directory in directories if directory]

    @cached_property
    def settings(self) -> tuple[dict[str, Any], str]:
        """The resolved experiment, without settings that change no result, and the file it is from.

        The report stores the settings that its table was made with. `experiment.json` is of the last command,
        so it is used only if there is no report of this very table.
        """
        digest = sha256_of_file(self.folder / TABLE)
        made = [read_stamp(path.parent) for path in artifacts_root(self._results).glob("tables/*/stamp.json")]
        tables = {stamp["fingerprint"] for stamp in made if stamp and _digest(stamp, TABLE) == digest}
        for path in sorted(artifacts_root(self._results).glob("report/*/stamp.json")):
            stamp = read_stamp(path.parent)
            if stamp and stamp.get("inputs", {}).get("tables") in tables:
                return _computed(json.loads(stamp["config"]["settings"])), "the table's report"
        path = self.folder / RECORD
        if not path.is_file():
            return {}, "nowhere: the report of this table and experiment.json are gone"
        return _computed(read_json(path)["experiment"]), f"{RECORD}, which may be newer than the table"

    @cached_property
    def made_with(self) -> dict[str, str]:
        """Versions, commit, device and dates of the artifacts behind the table that still exist."""
        environments = [stamp.get("environment", {}) for stamp in self._stamps]
        started = sorted(stamp["started"][:10] for stamp in self._stamps if stamp.get("started"))
        libraries = {name for stamp in self._stamps for name in _libraries(stamp)}
        values = {
            "libraries": ", ".join(sorted(libraries)),
            "python": _distinct(environments, "python"),
            "commit": re.sub(r"\b([0-9a-f]{10})[0-9a-f]+", r"\1", _distinct(environments, "git_commit")),
            "device": _distinct(environments, "card") or _distinct(environments, "device"),
            "made": " to ".join(dict.fromkeys([started[0], started[-1]])) if started else "",
        }
        return {name: value or "not known" for name, value in values.items()}

    def rows(self, line: Line) -> list[Row]:
        """The rows behind a line of the table, one per seed, with their outcomes.

        Raises:
            ValueError: an artifact is gone, or was made again since and differs; names it.
        """
        fingerprints = line.get("fingerprint", "").split()
        rows = []
        for fingerprint, seed in zip(fingerprints, line["seeds"], strict=True):
            directory = self._artifact(fingerprint)
            if directory is None:
                raise ValueError(f"{self.label}: the outcomes of {line['task']} of {line['arm']} are gone")
            try:
                found = read_rows(directory, arm=line["arm"], seed=seed)
            except (FileNotFoundError, KeyError) as error:
                raise ValueError(f"{self.label}: {error}") from error
            named = (line["task"], line["metric"])
            rows += [row for row in found if (row.task, row.metric) == named]
        value = float(np.mean([row.value for row in rows])) if rows else None
        if len(rows) != len(line["seeds"]) or abs(value - line["value"]) > 1e-9:
            what = f"{line['task']} {line['metric']} of {line['arm']}"
            raise ValueError(f"{self.label}: {what} was made again since its table, and differs")
        return rows

    def protocol(self, line: Line) -> dict[str, Any]:
        """Settings of the stage that measured a line, and of its features, as far as they were kept."""
        stamp = self._stamp(line)
        if stamp is None or stamp.get("stage") == "curves":  # the settings of a curve are its pretraining's
            return {}
        values = {key: stamp["config"][key] for key in stamp["config"] if key not in _NO_PROTOCOL}
        features = self._input(stamp, "features")
        read = features["config"] if features else {}
        return values | {f"features.{key}": read[key] for key in ("resize", "crop_size") if key in read}

    def images(self, line: Line) -> list[tuple[str, Path | None]]:
        """Digest and directory of each prepared data set that a line may have been measured on."""
        stamp = self._stamp(line) or {}
        read = stamp.get("inputs", {})
        if not any(name in read for name in _DATA):
            read = (self._input(stamp, "features") or {}).get("inputs", {})
        found = []
        for name in _DATA:
            directory = self._prepared.get(read.get(name))
            named = directory and read_json(directory / "summary.json")["name"]
            # A further data set has the experiment's name for it, and its stage reads no other.
            if name in read and (line.get("evaluation") or named in (None, line["dataset"])):
                found.append((read[name], directory))
        return found

    def _input(self, stamp: dict[str, Any], name: str) -> dict[str, Any] | None:
        directory = self._artifact(stamp.get("inputs", {}).get(name, ""))
        return directory and read_stamp(directory)

    def _stamp(self, line: Line) -> dict[str, Any] | None:
        first = line.get("fingerprint", "").partition(" ")[0]
        return next((stamp for stamp in self._stamps if stamp["fingerprint"] == first), None)

    def _artifact(self, fingerprint: str) -> Path | None:
        """The artifact with a fingerprint, of any stage; None if it was deleted."""
        if not fingerprint.isalnum():
            return None
        for directory in artifacts_root(self._results).glob(f"*/{fingerprint[:16]}"):
            stamp = read_stamp(directory)
            if stamp and stamp.get("fingerprint") == fingerprint:
                return directory
        return None

    @cached_property
    def _prepared(self) -> dict[str | None, Path]:
        """Content digest -> directory of the prepared data set."""
        paths = [path.parent for path in artifacts_root(self._results).glob("prepare/*/stamp.json")]
        return {content_of(stamp): path for path in paths if (stamp := read_stamp(path))}


def same_images(first: Finished, second: Finished, line: Line, other: Line) -> bool | None:
    """Whether two lines were measured on the same images, in the same order; None if unknown."""
    here, there = first.images(line), second.images(other)
    if not here or not there:
        return None
    if [content for content, _ in here] == [content for content, _ in there]:
        return line["split"] == other["split"]
    if line["num_images"] != other["num_images"]:
        return False
    if any(directory is None for _, directory in (*here, *there)):
        return None
    try:
        return [part_digest(path, line["split"]) for _, path in here] == [
            part_digest(path, other["split"]) for _, path in there
        ]
    except (OSError, ValueError, KeyError):  # files of a version that is no longer read
        return None


def _computed(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings without those that change no result: the experiment's name, [runtime], [executor]."""
    return {key: value for key, value in settings.items() if key not in ("name", "runtime", "executor")}


def _digest(stamp: dict[str, Any], name: str) -> str | None:
    return stamp["outputs"].get(name, {}).get("sha256")


def _libraries(stamp: dict[str, Any]) -> set[str]:
    return {f"{name} {number}" for name, number in stamp.get("made_with", {}).items() if number}


def _distinct(environments: list[dict[str, Any]], key: str) -> str:
    return ", ".join(dict.fromkeys(str(each[key]) for each in environments if each.get(key)))
