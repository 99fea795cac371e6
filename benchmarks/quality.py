"""Quality of features against pretraining time: the full recipe and cheaper ones, same images and seeds.

Every recipe is an experiment of its own, run by `doit run`: what is up to date is not made again, and the
seconds are those of the pretraining when it ran. The table says how each k-NN differs from that of the full
recipe, paired by seed and test image, and what it costs: by operations counted, which no other program of the
machine changes, and by seconds of the processor and of the clock.
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
from pipeline.costs.pretraining import step_operations
from pipeline.graph.programs import run_experiment
from pipeline.measures.intervals.values_and_differences import difference_interval
from pipeline.measures.rows import Row, read_rows
from pipeline.storage.files import read_json, write_text
from pipeline.storage.toml_values import toml_value
from pipeline.transforms.crop_sizes import crops_by_share

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
    schedule, stride = full.schedule, full.backbone.stride
    grid = full.crops.global_size // stride
    fewer = {"schedule.epochs": round(_PART * schedule.epochs, 3)}
    half = {
        "schedule.batch_size": max(schedule.batch_size // 2, 1),
        "schedule.ema_momentum": 1 - 0.75 * (1 - schedule.ema_momentum),
    }
    return {
        _FULL: {},
        "fewer epochs": fewer,
        "fewer epochs, half the batch": fewer | half,
        "small crops first": _smaller_first(max(grid // 2, 1) * stride, 0.75),
        "smaller crops first, half the batch": {"schedule.epochs": round(0.75 * schedule.epochs, 3)}
        | half
        | _smaller_first(max(3 * grid // 4, 1) * stride, 0.85),
    }


def _smaller_first(size: int, share: float) -> dict[str, Any]:
    return {"schedule.small_crops.size": size, "schedule.small_crops.share": share}


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
            artifacts = root / "results" / name / "artifacts"
            found[title] = artifacts, read_experiment(study.extends, changes)
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


def operations_of_an_image(experiment: Experiment, arm: str) -> float:
    """Floating-point operations of a whole pretraining for each training image, by arithmetic."""
    config = experiment.pretrain_config(arm, seed=0)
    of_a_step = sum(
        share * step_operations(config.model_copy(update={"crops": crops}))
        for share, crops in crops_by_share(config.crops, config.schedule)
    )
    return config.schedule.epochs * of_a_step / config.schedule.batch_size


@dataclass(frozen=True)
class _Runs:
    """What one recipe made of one arm."""

    rows: list[Row]  # k-NN's top-1, one a seed
    operations: float  # of a pretraining, for each image
    seconds: float  # of a pretraining by the clock, median over seeds
    processor_seconds: float | None  # likewise, of all threads; None: stamps of before it was written down


def _table(found: dict[str, tuple[Path, Experiment]], study: Study) -> str:
    lines = []
    for arm in ARMS:
        runs = {
            title: _runs(artifacts, experiment, arm, study.seeds)
            for title, (artifacts, experiment) in found.items()
        }
        full = runs[_FULL]
        for title, of_recipe in runs.items():
            values = [100 * row.value for row in of_recipe.rows]
            low, high = difference_interval(of_recipe.rows, full.rows, TablesSection())
            difference = np.mean(values) - 100 * np.mean([row.value for row in full.rows])
            apart = f"{difference:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]" if title != _FULL else ""
            costs = [
                f"{of_recipe.operations / full.operations:.2f}",
                _ratio(of_recipe.processor_seconds, full.processor_seconds),
                f"{of_recipe.seconds:.0f}",
                f"{of_recipe.seconds / full.seconds:.2f}",
            ]
            lines.append([arm, title, *costs, f"{np.mean(values):.1f}", apart])
    size = f" with {study.num_train} training images" if study.num_train else ""
    header = ["arm", "recipe", "operations", "processor", "s", "clock", "k-NN top-1 %", "to full, 95 %"]
    words = (
        f"`{Path(study.extends).stem}`{size}, seeds {', '.join(map(str, study.seeds))}; differences are "
        "paired by test images, means over seeds. A pretraining's operations, counted, its seconds of the "
        "processor and those of the clock are shares of the full recipe's. The clock's mean nothing on a "
        "busy machine."
    )
    return f"{words}\n\n{tabulate(lines, header, tablefmt='github', disable_numparse=True)}\n"


def _runs(artifacts: Path, experiment: Experiment, arm: str, seeds: tuple[int, ...]) -> _Runs:
    rows, stamps = [], []
    for seed in seeds:
        read = read_rows(artifacts / f"knn-{arm}-seed{seed}", arm=arm, seed=seed)
        rows += [row for row in read if (row.task, row.metric) == ("knn", "top1")]
        stamps.append(read_json(artifacts / f"pretrain-{arm}-seed{seed}" / "stamp.json"))
    worked = [stamp["processor_seconds"] for stamp in stamps if "processor_seconds" in stamp]
    return _Runs(
        rows,
        operations_of_an_image(experiment, arm),
        float(np.median([stamp["seconds"] for stamp in stamps])),
        float(np.median(worked)) if worked else None,
    )


def _ratio(value: float | None, full: float | None) -> str:
    return "" if value is None or full is None else f"{value / full:.2f}"
