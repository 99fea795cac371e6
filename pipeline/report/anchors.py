"""Measured results of published weights beside the published numbers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from pipeline.config.anchors import ANCHORS, Anchor, PublishedNumber
from pipeline.config.backbone import BackboneConfig
from pipeline.config.experiment import Experiment
from pipeline.storage.files import read_json, write_json, write_text
from pipeline.weights.safetensors_file import read_safetensors

NOT_REPRODUCED = (
    "The published numbers stand as their sources state them. None was reproduced by the authors of this "
    "project: what is measured here was measured on this machine, from the file that the experiment names."
)
_HEADERS = (
    "arm", "task", "metric", "published %", "measured %", "difference", "tolerance", "result", "source",
)  # fmt: skip


@dataclass(frozen=True)
class AnchorLine:
    """A published number and the corresponding measurement."""

    arm: str
    anchor: str
    number: PublishedNumber
    dataset: str | None  # None: not measured
    measured: float | None  # a fraction
    reasons: tuple[str, ...]  # why the two must not be compared

    @property
    def difference(self) -> float | None:
        """Measured minus published, in percentage points; None if not measured."""
        return None if self.measured is None else 100 * self.measured - self.number.percent

    @property
    def result(self) -> str:
        """The verdict, with its reasons."""
        if self.measured is None or self.reasons:
            word = "not run" if self.measured is None else "not comparable"
            return ": ".join([word, *(["; ".join(self.reasons)] if self.reasons else [])])
        return "within" if abs(self.difference) <= self.number.tolerance else "OUTSIDE"


def anchor_lines(
    experiment: Experiment, lines: Sequence[Mapping[str, Any]], networks: Mapping[str, BackboneConfig]
) -> list[AnchorLine]:
    """A line for each published number of each anchored arm and each data set that it was measured on.

    Args:
        lines: of the experiment's table.json.
        networks: of the arms, as read from their files.
    """
    found = []
    for arm, name in experiment.anchors.items():
        anchor = ANCHORS[name]
        for number in anchor.numbers:
            measured = [
                line
                for line in lines
                if (line["arm"], line["task"], line["metric"]) == (arm, number.task, number.metric)
            ]
            if not measured:
                found.append(AnchorLine(arm, name, number, None, None, (_how_to_run(experiment, number),)))
            for line in measured:
                reasons = _differences(experiment, anchor, number, line, networks[arm])
                found.append(AnchorLine(arm, name, number, line["dataset"], line["value"], reasons))
    return found


def anchor_table(lines: Sequence[AnchorLine], form: str = "simple") -> str:
    """The table, with a note that nothing was reproduced."""
    cells = [
        (
            line.arm,
            line.number.task if line.dataset is None else f"{line.number.task} on {line.dataset}",
            line.number.metric,
            f"{line.number.percent:.1f}",
            "" if line.measured is None else f"{100 * line.measured:.1f}",
            "" if line.difference is None else f"{line.difference:+.1f}",
            f"± {line.number.tolerance:g}",
            line.result,
            line.number.source,
        )
        for line in lines
    ]
    table = tabulate(cells, _HEADERS, tablefmt=form, disable_numparse=True)
    return f"{table}\n\n{NOT_REPRODUCED}\n"


def write_anchors(folder: Path, lines: Sequence[AnchorLine]) -> None:
    """Write anchors.md, anchors.txt and anchors.json; the last holds fractions."""
    write_text(folder / "anchors.md", anchor_table(lines, "github"))
    write_text(folder / "anchors.txt", anchor_table(lines))
    write_json(
        folder / "anchors.json",
        [
            {
                "arm": line.arm,
                "anchor": line.anchor,
                "task": line.number.task,
                "metric": line.number.metric,
                "published": line.number.percent / 100,
                "measured": line.measured,
                "tolerance": line.number.tolerance / 100,
                "dataset": line.dataset,
                "result": line.result,
                "source": line.number.source,
            }
            for line in lines
        ],
    )


def compare_anchors(experiment: Experiment, folder: Path) -> str:
    """Compare an experiment's finished table with its anchors, write the files, and return the table.

    Raises:
        ValueError: the experiment names no anchors.
        OSError, WeightsError: its table or its converted weights are missing.
    """
    if not experiment.anchors:
        raise ValueError(
            f"{experiment.name} names no anchors: [anchors] says which arm of [weights.NAME] holds which "
            f"published weights ({', '.join(ANCHORS)}); see docs/anchors.md"
        )
    networks = {}
    for arm in experiment.anchors:
        path = folder / "artifacts" / f"convert-{arm}" / "backbone.safetensors"
        _, metadata = read_safetensors(path)
        networks[arm] = BackboneConfig.model_validate(json.loads(metadata["metadata"])["architecture"])
    lines = anchor_lines(experiment, read_json(folder / "table.json"), networks)
    write_anchors(folder, lines)
    return anchor_table(lines)


def _differences(
    experiment: Experiment,
    anchor: Anchor,
    number: PublishedNumber,
    line: Mapping[str, Any],
    network: BackboneConfig,
) -> tuple[str, ...]:
    """The differences between the measurement's conditions and the published ones."""
    found = []
    sizes = network.kind, network.embed_dim, network.depth, network.patch_size
    expected = "vit", anchor.embed_dim, anchor.depth, anchor.patch_size
    if sizes != expected:
        found.append(f"the file holds a {_network(*sizes)}, {anchor.description} is a {_network(*expected)}")
    if line["num_images"] != number.num_images:
        found.append(f"{line['num_images']} test images, there {number.num_images}")
    for key, value in number.conditions.items():
        if line.get("evaluation") and key.startswith("features."):
            own = next(each for each in experiment.evaluate if each.name == line["evaluation"])
            here = getattr(own.features_of(experiment.features), key.removeprefix("features."))
        else:
            here = _setting(experiment, key)
        if here != value:
            found.append(f"{key} is {here}, there {value}")
    return tuple(found)


def _network(kind: str, dim: int | None, depth: int | None, patch: int | None) -> str:
    return f"{kind} of {dim} channels, {depth} blocks, patches of {patch}"


def _setting(experiment: Experiment, key: str) -> Any:
    value: Any = experiment
    for part in key.split("."):
        value = getattr(value, part)
    return value


def _how_to_run(experiment: Experiment, number: PublishedNumber) -> str:
    """The reason why a number was not measured."""
    section = {
        "linear-augmented": "linear_augmented",
        "segment-uper-finetuned": "segmentation",
        "detect-box-finetuned": "detection",
        "detect-mask-finetuned": "detection",
    }.get(number.task)
    if section and getattr(experiment, section) is None:
        return f"the experiment has no [{section}]"
    return "no row of it in the table"
