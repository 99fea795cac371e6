"""Reads config.json and preprocessor_config.json beside the weights: sizes, heads, mean and std."""

from dataclasses import dataclass
from typing import Any

from pipeline.weights.error import WeightsError
from pipeline.weights.layouts.converted import NORM_EPS
from pipeline.weights.source import Source

Statistics = tuple[tuple[float, ...], tuple[float, ...]]  # mean and std of three channels
_SIZES = (
    "layers",
    "img_size",
    "patch_size",
    "embed_dim",
    "dims",
    "depth",
    "depths",
    "num_heads",
    "reg_tokens",
    "mlp_ratio",
    "window_size",
    "kernel_sizes",
)
# Arguments of timm's networks that do not change a base's features.
_HARMLESS = (
    "num_classes",
    "dynamic_img_size",
    "strict_img_size",
    "in_chans",
    "drop_path_rate",
    "init_values",
    "no_embed_class",
)
_TINY_EPS = 1e-12  # Hugging Face's default
_EPS = {"swin": 1e-5}  # of layer norms, by Hugging Face's model_type; others: NORM_EPS
# Unsupported kinds of networks, by Hugging Face's model_type -> what the bases here lack.
_UNREAD = {
    "dinov3_vit": "rotary positions and register tokens",
    "dinov3_convnext": "another ConvNeXt",
    "beit": "blocks of BEiT",
    "data2vec-vision": "blocks of BEiT",
    "swinv2": "blocks of Swin V2",
    "convnextv2": "response normalisation of ConvNeXt V2",
    "siglip_vision_model": "no CLS token",
    "siglip2_vision_model": "no CLS token",
    "clip_vision_model": "a norm before the blocks",
    "ijepa": "no CLS token",
    "regnet": "another network",
}


@dataclass(frozen=True)
class Statements:
    """Settings from the files; None if not stated."""

    num_heads: int | None = None
    image_size: int | None = None
    statistics: Statistics | None = None
    notes: tuple[str, ...] = ()


def statements(source: Source) -> Statements:
    """Read the two files of a folder, as written by Hugging Face's transformers or by timm.

    Raises:
        WeightsError: the network computes something that the bases of this project do not.
    """
    if not source.config:
        return Statements()
    return _timms(source) if "architecture" in source.config else _hugging_faces(source)


def _timms(source: Source) -> Statements:
    arguments = _section(source, source.config.get("model_args"))
    other = sorted(set(arguments) - {*_SIZES, *_HARMLESS})
    if other:
        raise WeightsError(f"{source.path}/config.json: model_args {other} are not read")
    pretrained = _section(source, source.config.get("pretrained_cfg"))
    heads, size = arguments.get("num_heads"), arguments.get("img_size")
    return Statements(
        num_heads=heads if type(heads) is int else None,
        image_size=size if type(size) is int else None,
        statistics=_statistics(source, pretrained.get("mean"), pretrained.get("std")),
    )


def _hugging_faces(source: Source) -> Statements:
    config, notes = source.config, []
    kind = str(config.get("model_type"))
    if kind in _UNREAD:
        raise WeightsError(
            f"{source.path}/config.json: model_type {kind!r}, for which the bases here have no counterpart: "
            f"{_UNREAD[kind]}"
        )
    # A ResNet has another activation; older ones stride in the first convolution of a block.
    act = "relu" if kind == "resnet" else "gelu"
    stated = (("hidden_act", act), ("use_swiglu_ffn", False), ("downsample_in_bottleneck", False))
    for name, expected in (*stated, ("downsample_in_first_stage", False)):
        if config.get(name, expected) != expected:
            raise WeightsError(
                f"{source.path}/config.json: {name} is {config[name]!r}, the bases here have {expected!r}"
            )
    expected_eps = _EPS.get(kind, NORM_EPS)
    eps = config.get("layer_norm_eps", expected_eps)
    if eps == _TINY_EPS and expected_eps == NORM_EPS:
        notes.append(
            f"norms add {NORM_EPS} to variances, those of the file {_TINY_EPS}: features differ by 5e-5"
        )
    elif eps not in (expected_eps, None):
        raise WeightsError(f"{source.path}/config.json: layer_norm_eps is {eps!r}, expected {expected_eps}")
    heads, size = config.get("num_attention_heads"), config.get("image_size")
    return Statements(
        num_heads=heads if type(heads) is int else None,
        image_size=size if type(size) is int else None,
        statistics=_preprocessed(source),
        notes=tuple(notes),
    )


def _section(source: Source, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict | None):
        raise WeightsError(f"{source.path}/config.json: expected an object, found {type(value).__name__}")
    return value or {}


def _preprocessed(source: Source) -> Statistics | None:
    """Mean and std from preprocessor_config.json, which may also state that pixels are not normalised."""
    if source.preprocessing.get("do_normalize") is False:
        return (0.0,) * 3, (1.0,) * 3
    return _statistics(source, source.preprocessing.get("image_mean"), source.preprocessing.get("image_std"))


def _statistics(source: Source, mean: Any, std: Any) -> Statistics | None:
    if mean is None and std is None:
        return None
    for numbers in (mean, std):
        valid = isinstance(numbers, list) and len(numbers) == 3
        if not valid or not all(isinstance(number, int | float) and 0 <= number <= 1 for number in numbers):
            raise WeightsError(f"{source.path}: mean {mean} and std {std} are not three numbers in [0, 1]")
    if 0 in std:
        raise WeightsError(f"{source.path}: std {std} must be above 0")
    return tuple(map(float, mean)), tuple(map(float, std))
