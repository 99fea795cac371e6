"""How good features are after how much time: the full recipe beside cheaper ones, same images, same seeds.

Every recipe is an experiment of its own, run by `doit run`: what is up to date is not made again, and the
seconds are those of the pretraining when it ran. quality.md says how each k-NN differs from that of the full
recipe, paired by seeds and test images.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate

from pipeline.config.tables import TablesSection
from pipeline.graph.programs import run_experiment
from pipeline.measures.intervals.values_and_differences import difference_interval
from pipeline.measures.rows import Row, read_rows
from pipeline.storage.files import read_json, write_text

NAME = "quality.md"
ARMS = ("ibot", "hssl")
_FULL = "full"
# What each recipe changes of the full one, as TOML. All are this project's own choices.
_RECIPES = {
    _FULL: "",
    "fewer epochs": "[schedule]\nepochs = {short}\n",
    "fewer epochs, larger rate": "[schedule]\nepochs = {short}\nbase_lr = 6e-3\n",
    "fewer epochs, half the batch": "[schedule]\nepochs = {short}\nbatch_size = 32\nema_momentum = 0.997\n",
    "small crops first": "[schedule.small_crops]\nsize = 16\nshare = 0.75\n",
}
_EXPERIMENT = """extends = "{preset}"
arms = ["ibot", "hssl"]
seeds = {seeds}
segmentation = false
detection = false
dense_probe = false

[data.photo_scenes]
num_train = {images}

{changes}"""


@dataclass(frozen=True)
class Scale:
    """How large the study is."""

    preset: str
    images: int  # of the training part
    seeds: tuple[int, ...]
    short_epochs: float


USUAL = Scale("quickstart", 4000, (0, 1, 2), short_epochs=7)  # of 12
TOY = Scale("smoke", 128, (0, 1), short_epochs=2)  # of 4


def measure_quality(scale: Scale, folder: Path, *, root: Path, say: Callable[[str], None]) -> list[str]:
    """Run every recipe, one stage at a time, and write quality.md.

    Args:
        folder: of quality.md, and of the experiments' files.
        root: folder that holds the project.

    Returns:
        One line for each recipe that failed.
    """
    failures, found = [], {}
    for title, changes in _RECIPES.items():
        file = folder / f"quality-{title.replace(',', '').replace(' ', '-')}.toml"
        changes = changes.format(short=scale.short_epochs)
        text = _EXPERIMENT.format(
            preset=scale.preset, seeds=list(scale.seeds), images=scale.images, changes=changes
        )
        write_text(file, text)
        say(f"{title} ...")
        if not run_experiment("knn", str(file), root=root, at_once=1):
            failures.append(f"{title}: its pretraining or k-NN failed")
        else:
            found[title] = root / "results" / file.stem / "artifacts"
    if _FULL in found:
        write_text(folder / NAME, _table(found, scale))
    return failures


def _table(found: dict[str, Path], scale: Scale) -> str:
    lines = []
    for arm in ARMS:
        full, full_seconds = _runs(found[_FULL], arm, scale.seeds)
        for title, artifacts in found.items():
            rows, seconds = _runs(artifacts, arm, scale.seeds)
            values = [100 * row.value for row in rows]
            low, high = difference_interval(rows, full, TablesSection())
            difference = np.mean(values) - 100 * np.mean([row.value for row in full])
            apart = f"{difference:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]" if title != _FULL else ""
            share = f"{seconds / full_seconds:.2f}"
            lines.append([arm, title, f"{seconds:.0f}", share, f"{np.mean(values):.1f}", apart])
    header = ["arm", "recipe", "s of a pretraining", "of full", "k-NN top-1 %", "to full, 95 %"]
    words = (
        f"`{scale.preset}` with {scale.images} training images, seeds {', '.join(map(str, scale.seeds))}; "
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
