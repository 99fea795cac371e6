"""Translates published flags into an experiment of this project, as TOML."""

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.config.experiment import Experiment
from pipeline.published.flags import FLAG_OF_KEY, FLAGS, architectures
from pipeline.storage.files import sha256_of_json
from pipeline.storage.toml_values import toml_value


class FlagError(ValueError):
    """An unusable value; the message names the flag."""


@dataclass(frozen=True)
class Translation:
    """The experiment that a command line describes."""

    values: dict[str, Any]  # configuration key -> value, in the order of the file
    notes: list[str]  # flags without effect, and further remarks for the user

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return self.values["name"]

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return self.values["seeds"][0]


def translated(given: argparse.Namespace, *, working_directory: Path) -> Translation:
    """Translate the given flags, with defaults for the others.

    Args:
        given: the result of `published_parser`.
        working_directory: folder to which relative paths refer.

    Raises:
        FlagError: a flag is missing, or its value is unusable, alone or with others.
    """
    asked = vars(given)
    flags = {flag.name: asked.get(flag.name, flag.default) for flag in FLAGS}
    if "data_path" not in asked:
        raise FlagError("argument --data_path: required")
    output = _absolute(flags["output_dir"], working_directory)
    kind, size = architectures()[flags["arch"]]
    values: dict[str, Any] = {
        "name": _name(output),
        "seeds": [flags["seed"]],
        "data.source": str(_data(flags["data_path"], working_directory)),
        # Published: all images below --data_path are for training.
        "data.val_share": 0.0,
        "data.test_share": 0.0,
        "backbone.kind": kind,
        "backbone.size": size,
        **_backbone(kind, asked, flags),
        "auxiliary_head.depth": flags["auxiliary_depth"],
        **_projection(asked, flags),
        **_same_name(flags),
        **_masks(flags),
        **_schedule(flags),
        **_start(asked, output),
        **_probes(kind, size),
        "runtime.loader_threads": flags["num_workers"],
    }
    _check(values)
    return Translation(values, _notes(asked, kind, flags))


def toml_text(translation: Translation) -> str:
    """The experiment's file, with the flag of each line as a comment."""
    lines = [
        "# Written by `python -m stages.pretrain_cli` from published flags; it is written anew each time.",
        "# `doit run all experiment=<this file>` runs the same pretraining, the baseline and every probe.",
    ]
    section = ""
    for key, value in sorted(translation.values.items(), key=lambda item: _section_order(item[0])):
        before, _, last = key.rpartition(".")
        if before != section:
            lines += ["", f"[{before}]"]
            section = before
        flag = FLAG_OF_KEY.get(key)
        lines.append(f"{last} = {toml_value(value)}" + (f"  # --{flag}" if flag else ""))
    return "\n".join(lines) + "\n"


def nested(values: dict[str, Any]) -> dict[str, Any]:
    """Dotted keys -> the tables of a TOML file."""
    tables: dict[str, Any] = {}
    for key, value in values.items():
        *path, last = key.split(".")
        table = tables
        for part in path:
            table = table.setdefault(part, {})
        table[last] = value
    return tables


def _same_name(flags: dict[str, Any]) -> dict[str, Any]:
    """The flags whose values are those of a configuration key."""
    names = [
        "lambda1", "lambda2", "teacher_temp", "warmup_teacher_temp", "teacher_patch_temp",
        "warmup_teacher_patch_temp", "warmup_teacher_temp_epochs", "pred_start_epoch",
        "use_masked_im_modeling", "drop_path", "global_crops_number", "global_crops_scale",
        "local_crops_number", "local_crops_scale",
    ]  # fmt: skip
    keys = {flag.name: flag.keys for flag in FLAGS}
    return {key: flags[name] for name in names for key in keys[name]}


def _backbone(kind: str, asked: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    values = {}
    if kind == "vit" or "patch_size" in asked:
        values["backbone.patch_size"] = flags["patch_size"]
    if kind == "swin":
        values["backbone.window_size"] = flags["window_size"]
    return values


def _projection(asked: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    separate = not flags["shared_head"] and not flags["shared_head_teacher"]
    values = {
        "projection_head.num_prototypes": flags["out_dim"],
        "projection_head.shared": flags["shared_head"],
        "projection_head.teacher_shared": flags["shared_head_teacher"],
        "projection_head.learnt_gain": not flags["norm_last_layer"],
        "projection_head.norm": {"bn": "batch", "syncbn": "batch", "ln": "layer"}.get(
            flags["norm_in_head"], "none"
        ),
        "projection_head.activation": flags["act_in_head"],
    }
    if separate:
        values["projection_head.num_patch_prototypes"] = flags["patch_out_dim"]
    elif "patch_out_dim" in asked and flags["patch_out_dim"] != flags["out_dim"]:
        raise FlagError(
            f"argument --patch_out_dim: {flags['patch_out_dim']} beside --out_dim {flags['out_dim']} needs "
            "--shared_head false and --shared_head_teacher false: a shared layer has one number of prototypes"
        )
    return values


def _masks(flags: dict[str, Any]) -> dict[str, Any]:
    ratios, variations = flags["pred_ratio"], flags["pred_ratio_var"]
    return {
        "masks.ratios": ratios,
        "masks.ratio_variations": variations * len(ratios) if len(variations) == 1 else variations,
        "masks.shape": {"block": "block", "rand": "random"}[flags["pred_shape"]],
    }


def _schedule(flags: dict[str, Any]) -> dict[str, Any]:
    return {
        "schedule.epochs": flags["epochs"],
        "schedule.batch_size": flags["batch_size"] * flags["accum_iter"],
        "schedule.accumulation_steps": flags["accum_iter"],
        "schedule.optimizer": flags["optimizer"],
        "schedule.base_lr": flags["lr"],
        "schedule.min_lr": flags["min_lr"],
        "schedule.warmup_epochs": flags["warmup_epochs"],
        "schedule.weight_decay": flags["weight_decay"],
        "schedule.weight_decay_end": flags["weight_decay_end"],
        "schedule.max_gradient_norm": flags["clip_grad"],
        "schedule.freeze_last_layer_epochs": flags["freeze_last_layer"],
        "schedule.ema_momentum": flags["momentum_teacher"],
        "schedule.export_every_epochs": flags["saveckp_freq"],
    }


def _start(asked: dict[str, Any], output: Path) -> dict[str, Any]:
    if "load_from" not in asked:
        return {}
    path = _absolute(asked["load_from"], output)
    if not path.is_file():
        raise FlagError(f"argument --load_from: no such file: {path}")
    # A checkpoint belongs to a single run: this one.
    return {"start.checkpoint": str(path), "arms": ["random", "hssl"], "baseline": "random"}


def _probes(kind: str, size: str) -> dict[str, Any]:
    """iBOT's probe settings: a large ViT's last block with the mean patch token; others are ours."""
    if kind == "vit" and size in ("tiny", "small"):
        return {"features.num_blocks": 4, "linear.num_blocks": 4, "linear.average_pool": False}
    return {"features.num_blocks": 1, "linear.num_blocks": 1, "linear.average_pool": kind == "vit"}


def _notes(asked: dict[str, Any], kind: str, flags: dict[str, Any]) -> list[str]:
    notes = [
        f"--{flag.name}: accepted without effect: {flag.description}"
        for flag in FLAGS
        if not flag.keys and flag.name in asked
    ]
    if "window_size" in asked and kind != "swin":
        notes.append(f"--window_size: accepted without effect: {flags['arch']} has no windows")
    if flags["shared_head"] and not flags["shared_head_teacher"]:
        notes.append(
            "--shared_head_teacher false: without effect beside --shared_head true: the teacher follows the "
            "student, which has one layer"
        )
    return notes


def _check(values: dict[str, Any]) -> None:
    try:
        Experiment.model_validate(nested(values))
    except ValidationError as error:
        raise FlagError("; ".join(_explained(detail) for detail in error.errors())) from error


def _explained(detail: dict[str, Any]) -> str:
    words = [str(part) for part in detail["loc"] if not isinstance(part, int)]
    flag = next((FLAG_OF_KEY[key] for n in (2, 1) if (key := ".".join(words[:n])) in FLAG_OF_KEY), None)
    message = detail["msg"].removeprefix("Value error, ")
    if flag is None:  # about several keys, named in the message
        named = [f for key, f in FLAG_OF_KEY.items() if re.search(rf"\b{key.split('.')[-1]}\b", message)]
        flags = ", ".join(f"--{name}" for name in dict.fromkeys(named))
        return f"argument {flags}: {message}" if flags else message
    return f"argument --{flag}: {message} (found {detail['input']!r})"


def _data(path: str, working_directory: Path) -> Path:
    source = _absolute(path, working_directory)
    if not source.exists():
        raise FlagError(f"argument --data_path: no such folder or file: {source}")
    return source


def _absolute(path: str, start: Path) -> Path:
    return (start / Path(path).expanduser()).resolve()


def _name(output: Path) -> str:
    """Name of the experiment: the folder's name and a digest of its path, as folders may share a name."""
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", output.name).strip("-._")[:40] or "run"
    return f"{words}-{sha256_of_json(str(output))[:8]}"


def _section_order(key: str) -> tuple[bool, str]:
    section = key.rpartition(".")[0]
    return bool(section), section
