"""Quality of features against pretraining time: the full recipe and cheaper ones, same images and seeds.

Every recipe is an experiment of its own, run by `doit run`: what is up to date is not made again, and the
seconds are those of the pretraining when it ran. The table says how each k-NN differs from that of the full
recipe, paired by seed and test image.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from pipeline.config.experiment import Experiment
from pipeline.config.reading import read_experiment
from pipeline.config.tables import TablesSection
from pipeline.graph.programs import run_experiment
from pipeline.measures.intervals.values_and_differences import difference_interval
from pipeline.measures.rows import Row, read_rows
from pipeline.storage.files import read_json, write_text
from pipeline.storage.toml_values import toml_value

ARMS = ("ibot", "hssl")
_FULL = "full"
_PART = 7 / 12  # of the full recipe's epochs


@dataclass(frozen=True)
class Study:
    """The experiment that is extended, its number of images and its seeds."""

    extends: str  # a preset, or an experiment's file
    seeds: tuple[int, ...]
    num_train: int | None = None  # of `photo-scenes`; None: what `extends` says
    label: str = ""  # stands in the names of its experiments and its table

    @property
    def table_name(self) -> str:
        """File name of its table."""
        return f"quality{self.label}.md"


USUAL = Study("quickstart", (0, 1, 2), num_train=4000)
TOY = Study("smoke", (0, 1), num_train=128)


def study_of(file: str) -> Study:
    """The study of a user's experiment: its images and network, three seeds.

    Raises:
        ConfigError: there is no such experiment, or it is not valid.
    """
    experiment = read_experiment(file)
    path = Path(file)
    return Study(str(path.resolve()) if path.is_file() else file, (0, 1, 2), label=f"-{experiment.name}")


def recipes(full: Experiment) -> dict[str, dict[str, Any]]:
    """The changes of each recipe to the full one, all our own: title -> dotted key -> value."""
    schedule = full.schedule
    fewer = {"schedule.epochs": round(_PART * schedule.epochs, 3)}
    grid = full.crops.global_size // (2 * full.backbone.patch_size)
    return {
        _FULL: {},
        "fewer epochs": fewer,
        "fewer epochs, larger rate": fewer | {"schedule.base_lr": 1.5 * schedule.base_lr},
        "fewer epochs, half the batch": fewer
        | {
            "schedule.batch_size": max(schedule.batch_size // 2, 1),
            "schedule.ema_momentum": 1 - 0.75 * (1 - schedule.ema_momentum),
        },
        "small crops first": {
            "schedule.small_crops.size": max(grid, 1) * full.backbone.patch_size,
            "schedule.small_crops.share": 0.75,
        },
    }


def measure_quality(study: Study, folder: Path, *, root: Path, say: Callable[[str], None]) -> list[str]:
    """Run every recipe, one stage at a time, and write the table.

    Args:
        folder: of the table, and of the experiments' files.
        root: folder that holds the project.

    Returns:
        One line for each recipe that failed.
    """
    failures, found = [], {}
    for title, changes in recipes(read_experiment(study.extends)).items():
        name = f"quality{study.label}-{title.replace(',', '').replace(' ', '-')}"
        file = folder / f"{name}.toml"
        write_text(file, _text(study, changes))
        say(f"{title} ...")
        if not run_experiment("knn", str(file), root=root, at_once=1):
            failures.append(f"{title}: its pretraining or k-NN failed")
        else:
            found[title] = root / "results" / name / "artifacts"
    if _FULL in found:
        write_text(folder / study.table_name, _table(found, study))
    return failures


def _text(study: Study, changes: dict[str, Any]) -> str:
    """An experiment's file."""
    values: dict[str, Any] = {"extends": study.extends, "arms": list(ARMS), "seeds": list(study.seeds)}
    values |= dict.fromkeys(("segmentation", "detection", "dense_probe"), False)
    if study.num_train is not None:
        values["data.photo_scenes.num_train"] = study.num_train
    return "".join(f"{key} = {toml_value(value)}\n" for key, value in (values | changes).items())


def _table(found: dict[str, Path], study: Study) -> str:
    lines = []
    for arm in ARMS:
        full, full_seconds = _runs(found[_FULL], arm, study.seeds)
        for title, artifacts in found.items():
            rows, seconds = _runs(artifacts, arm, study.seeds)
            values = [100 * row.value for row in rows]
            low, high = difference_interval(rows, full, TablesSection())
            difference = np.mean(values) - 100 * np.mean([row.value for row in full])
            apart = f"{difference:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]" if title != _FULL else ""
            share = f"{seconds / full_seconds:.2f}"
            lines.append([arm, title, f"{seconds:.0f}", share, f"{np.mean(values):.1f}", apart])
    size = f" with {study.num_train} training images" if study.num_train else ""
    header = ["arm", "recipe", "s of a pretraining", "of full", "k-NN top-1 %", "to full, 95 %"]
    words = (
        f"`{Path(study.extends).stem}`{size}, seeds {', '.join(map(str, study.seeds))}; "
        "differences are paired by test images, means over seeds. Seconds mean nothing on a busy machine."
    )
    return f"{words}\n\n{tabulate(lines, header, tablefmt='github', disable_numparse=True)}\n"


def _runs(artifacts: Path, arm: str, seeds: tuple[int, ...]) -> tuple[list[Row], float]:
    """Rows of k-NN's top-1, one a seed, and the median seconds of a pretraining."""
    rows, seconds = [], []
    for seed in seeds:
        read = read_rows(artifacts / f"knn-{arm}-seed{seed}", arm=arm, seed=seed)
        rows += [row for row in read if (row.task, row.metric) == ("knn", "top1")]
        seconds.append(read_json(artifacts / f"pretrain-{arm}-seed{seed}" / "stamp.json")["seconds"])
    return rows, float(np.median(seconds))
