"""The published flags: types, defaults, and the configuration keys that they set.

Names, types and defaults are those of the released command line; the descriptions are this project's.
"""

import argparse
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from pipeline.config.backbone import BASES

Kind = Literal["int", "float", "text", "bool", "floats"]


@dataclass(frozen=True)
class Flag:
    """One flag of the published command."""

    name: str
    kind: Kind
    default: Any
    keys: tuple[str, ...]  # configuration keys that it sets; none: it has no effect on one process
    description: str
    choices: tuple[str, ...] | None = None


def architectures() -> dict[str, tuple[str, str]]:
    """Name on the command line -> kind and size of the base."""
    named = {f"{kind}_{size}": (kind, size) for kind, base in BASES.items() for size in base.sizes}
    return named | {f"deit_{size}": ("vit", size) for size in BASES["vit"].sizes}


_ALIKE = "patches of a ViT; of a hierarchical base: of its first map, 4 where the flag is not given"
_ONE_PROCESS = "for several processes; no effect here, training is one process"

FLAGS: tuple[Flag, ...] = (
    Flag("arch", "text", "vit_small", ("backbone.kind", "backbone.size"), "the base", (*architectures(),)),
    Flag("patch_size", "int", 16, ("backbone.patch_size",), f"pixels of a side: {_ALIKE}"),
    Flag("auxiliary_depth", "int", 3, ("auxiliary_head.depth",), "blocks of the auxiliary head"),
    Flag("window_size", "int", 7, ("backbone.window_size",), "places; of Swin bases, no effect on others"),
    Flag("out_dim", "int", 8192, ("projection_head.num_prototypes",), "prototypes of CLS vectors"),
    Flag("patch_out_dim", "int", 8192, ("projection_head.num_patch_prototypes",),
         "prototypes of patches; differs from --out_dim only where neither head is shared"),
    Flag("shared_head", "bool", False, ("projection_head.shared",),
         "one prototype layer for CLS and patches in the student"),
    Flag("shared_head_teacher", "bool", True, ("projection_head.teacher_shared",), "in the teacher"),
    Flag("norm_last_layer", "bool", True, ("projection_head.learnt_gain",),
         "prototypes keep length 1; false: their lengths are trained"),
    Flag("momentum_teacher", "float", 0.996, ("schedule.ema_momentum",), "at first; 1 in the end"),
    Flag("norm_in_head", "text", None, ("projection_head.norm",),
         "norm of the projection's hidden layers; syncbn is bn on one process",
         ("bn", "ln", "syncbn", "none", "None")),
    Flag("act_in_head", "text", "gelu", ("projection_head.activation",),
         "activation of these layers", ("gelu", "relu")),
    Flag("use_masked_im_modeling", "bool", True, ("objective.patches_hidden",),
         "the student does not see the patches that the patch loss is on"),
    Flag("pred_ratio", "floats", [0.3], ("masks.ratios",),
         "shares of hidden patches, of which one is drawn for each crop"),
    Flag("pred_ratio_var", "floats", [0.0], ("masks.ratio_variations",),
         "by how much each of them varies; one number holds for all"),
    Flag("pred_shape", "text", "block", ("masks.shape",), "blocks, or single patches", ("block", "rand")),
    Flag("pred_start_epoch", "int", 0, ("objective.patch_start_epoch",),
         "first epoch with hidden patches and the loss on them"),
    Flag("lambda1", "float", 1.0, ("objective.cls_weight",), "weight of the CLS losses"),
    Flag("lambda2", "float", 1.0, ("objective.patch_weight",), "weight of the patch loss"),
    Flag("warmup_teacher_temp", "float", 0.04, ("objective.teacher_temperature_start",),
         "temperature of the teacher's CLS distributions in the first epoch"),
    Flag("teacher_temp", "float", 0.04, ("objective.teacher_temperature",), "the same after the warm-up"),
    Flag("warmup_teacher_patch_temp", "float", 0.04, ("objective.patch_temperature_start",),
         "of the patch distributions, first"),
    Flag("teacher_patch_temp", "float", 0.07, ("objective.patch_temperature",), "of the same, then"),
    Flag("warmup_teacher_temp_epochs", "int", 30,
         ("objective.teacher_temperature_warmup_epochs", "objective.patch_temperature_warmup_epochs"),
         "epochs of both warm-ups"),
    Flag("weight_decay", "float", 0.04, ("schedule.weight_decay",), "at the start"),
    Flag("weight_decay_end", "float", 0.4, ("schedule.weight_decay_end",), "at the end, along a cosine"),
    Flag("clip_grad", "float", 3.0, ("schedule.max_gradient_norm",), "per tensor; 0: none"),
    Flag("batch_size", "int", 128, ("schedule.batch_size",),
         "images computed at once; the key holds them times --accum_iter"),
    Flag("epochs", "int", 100, ("schedule.epochs",), "of the training images"),
    Flag("freeze_last_layer", "int", 1, ("schedule.freeze_last_layer_epochs",),
         "epochs in which the prototypes stay as they are"),
    Flag("lr", "float", 0.0005, ("schedule.base_lr",), "peak, for 256 images per step; scaled linearly"),
    Flag("warmup_epochs", "int", 10, ("schedule.warmup_epochs",), "epochs in which the rate rises from 0"),
    Flag("min_lr", "float", 1e-6, ("schedule.min_lr",), "at the end, along a cosine"),
    Flag("optimizer", "text", "adamw", ("schedule.optimizer",), "sgd and lars with momentum 0.9",
         ("adamw", "sgd", "lars")),
    Flag("load_from", "text", None, ("start.checkpoint",),
         "checkpoint.safetensors to go on from; a relative path counts from --output_dir"),
    Flag("drop_path", "float", 0.1, ("regularisation.drop_path_rate",), "stochastic depth of the student"),
    Flag("accum_iter", "int", 1, ("schedule.accumulation_steps",), "batches of one step"),
    Flag("global_crops_number", "int", 2, ("crops.num_global",), "large views of an image"),
    Flag("global_crops_scale", "floats", [0.14, 1.0], ("crops.global_scale",),
         "share of the image's area: low, high"),
    Flag("local_crops_number", "int", 0, ("crops.num_local",), "small views of an image"),
    Flag("local_crops_scale", "floats", [0.05, 0.4], ("crops.local_scale",),
         "share of the image's area: low, high"),
    Flag("data_path", "text", None, ("data.source",), "folder of the images; required"),
    Flag("output_dir", "text", ".", ("name",), "folder for experiment.toml and links to the results"),
    Flag("saveckp_freq", "int", 40, ("schedule.export_every_epochs",),
         "epochs from one kept backbone to the next; 0: none"),
    Flag("seed", "int", 0, ("seeds",), "of every random draw"),
    Flag("num_workers", "int", 10, ("runtime.loader_threads",), "threads that prepare batches"),
    Flag("dist_url", "text", "env://", (), _ONE_PROCESS),
    Flag("rank", "int", 0, (), _ONE_PROCESS),
    Flag("local_rank", "int", 0, (), _ONE_PROCESS),
)  # fmt: skip
FLAG_OF_KEY: dict[str, str] = {key: flag.name for flag in FLAGS for key in flag.keys}


class _Parser(argparse.ArgumentParser):
    """Accepts no abbreviations: those of the published flags may mean another flag in a later version."""

    def error(self, message: str) -> NoReturn:
        """Report an error without the usage text, which is longer than a screen."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def published_parser() -> argparse.ArgumentParser:
    """A parser of the published flags; its result has only the given ones: defaults are in `FLAGS`."""
    parser = _Parser(
        prog="python -m stages.pretrain_cli",
        description="Pretrain with the flags of the published HSSL command.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    types = {"int": int, "float": float, "text": str, "bool": _truth, "floats": float}
    for flag in FLAGS:
        default = "" if flag.default is None else f" (default: {_shown(flag.default)})"
        keys = f" -> {', '.join(flag.keys)}" if flag.keys else ""
        parser.add_argument(
            f"--{flag.name}",
            type=types[flag.kind],
            nargs="+" if flag.kind == "floats" else None,
            choices=flag.choices,
            metavar=None if flag.choices else flag.kind.upper(),
            help=f"{flag.description}{default}{keys}".replace("%", "%%"),
        )
    return parser


def _truth(text: str) -> bool:
    """Parse a switch in one of the published spellings."""
    values = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"expected true or false, got {text!r}")
    return values[text.lower()]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
