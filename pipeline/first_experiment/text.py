"""Writes an experiment's file, with reasons beside the values."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.first_experiment.choices import DENSE_SHARE, ENLARGED, MIN_STEPS, Choice
from pipeline.first_experiment.facts import Facts
from pipeline.storage.toml_values import toml_value

DENSE_TASK = {"label-map": "segmentation", "objects": "detection"}  # by the annotation of the folder
SHORT = f"fewer than {MIN_STEPS} steps, so arms will hardly differ: more hours"
_DEFAULT_STORE_GIB, _MOST_STORE_GIB = 2.0, 8.0


def data_lines(source: Path, facts: Facts | None = None) -> list[str]:
    """[data], before anything is known of the images, and after; both prepare the images only once."""
    lines = ["[data]", f"source = {toml_value(str(source))}", 'normalization = "dataset"']
    if facts and _DEFAULT_STORE_GIB < facts.decoded_gib <= _MOST_STORE_GIB:
        lines.append(
            f"max_store_gib = {facts.decoded_gib + 0.1:.1f} # decoded once: {facts.decoded_gib:.1f} GiB"
        )
    return lines


def experiment_text(
    source: Path,
    facts: Facts,
    choice: Choice,
    *,
    hours: float,
    described: Sequence[str],
    num_dense_steps: int | None = None,
) -> str:
    """The content of the experiment's file.

    Args:
        num_dense_steps: training steps of each segmenter or detector; None: those of the preset.
        described: lines on what was found in the folder and what is doubtful.
    """
    network, (smallest, median, largest) = choice.network, facts.short_sides
    size = network.image_size
    lines = [
        "# Written by `doit run init` for these images, this machine and "
        f"{hours:g} h. The choices are this project's own;",
        "# change anything: `doit run plan experiment=<this file>` says what a change costs.",
        "#",
        *(f"# {line}" for line in described),
        f"# Shorter sides of the images: {smallest} to {largest} px, median {median}.",
        "",
        'extends = "quickstart" # a recipe for small networks and short training',
        *_left_out(facts),
        "",
        *data_lines(source, facts),
        "",
        "[backbone]",
        f"image_size = {size} # px; at most {ENLARGED:g} x the median shorter side",
        f"patch_size = {network.patch_size} # px",
        f"embed_dim = {network.embed_dim}",
        f"depth = {network.depth}",
        f"num_heads = {network.num_heads}",
        "",
        "[auxiliary_head]",
        f"kernel_size = {network.kernel_size} # the map is {size // network.patch_size} patches a side",
        "",
        "[crops]",
        f"global_size = {size}",
        "",
        "[schedule]",
        f"epochs = {choice.epochs} # {choice.num_steps} steps{_shortness(choice)}",
        f"batch_size = {choice.batch_size}",
        f"warmup_epochs = {round(choice.epochs / 12, 2):g}",
        f"freeze_last_layer_epochs = {round(choice.epochs / 48, 3):g}",
        "",
        "[features]",
        f"resize = {size}",
        f"crop_size = {size}",
        *_dense(source, facts, choice),
        *_dense_schedule(facts, num_dense_steps),
    ]
    return "\n".join(lines) + "\n"


def _shortness(choice: Choice) -> str:
    return f"; {SHORT}" if choice.is_short else ""


def _left_out(facts: Facts) -> list[str]:
    """The tasks of `quickstart` for which this folder cannot be used."""
    kept = DENSE_TASK.get(facts.annotation)
    tasks = [task for task in ("segmentation", "detection", "dense_probe") if task != kept]
    if kept:
        tasks.remove("dense_probe")
    return [f"{task} = false" for task in tasks]


def _dense(source: Path, facts: Facts, choice: Choice) -> list[str]:
    """Segmentation or detection on the folder's own label maps or boxes."""
    size = max(64, min(2 * choice.network.image_size, facts.short_sides[1] // 32 * 32))
    if facts.annotation == "label-map":
        return [
            "",
            "[segmentation.data]",
            f"source = {toml_value(str(source))}",
            "",
            "[segmentation.view]",
            f"crop_size = {size}",
            f"resize = [{size}, {4 * size}] # px: short side, and at most the long one",
        ]
    if facts.annotation == "objects":
        return [
            "",
            "[detection.data]",
            f"source = {toml_value(str(source))}",
            "",
            "[detection.view]",
            f"short_sides = [{size}]",
            f"max_long_side = {2 * size}",
            f"test_short_side = {size}",
        ]
    return []


def _dense_schedule(facts: Facts, num_steps: int | None) -> list[str]:
    """Training steps of the segmenters or detectors, if those of the preset do not fit into the time."""
    if num_steps is None:
        return []
    section = DENSE_TASK[facts.annotation]
    return [
        "",
        f"[{section}.schedule]",
        f"num_steps = {num_steps} # fewer than the preset's, to take {DENSE_SHARE:.0%} of the time at most",
    ]
