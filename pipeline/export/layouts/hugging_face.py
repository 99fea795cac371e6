"""Bases with the names of Hugging Face's own models.

Shapes: C channels of a stage, D of the last.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.config.backbone import BackboneConfig
from pipeline.export.error import ExportError
from pipeline.export.layouts.convnext import timm_convnext
from pipeline.export.layouts.resnet import timm_resnet
from pipeline.export.layouts.swin import timm_swin
from pipeline.export.layouts.vit import vit_arrays
from pipeline.weights.layouts.converted import NORM_EPS
from pipeline.weights.layouts.vit import HUGGING_FACE_VIT

_SWIN_EPS = 1e-5


@dataclass(frozen=True)
class HuggingFaceBase:
    """A base in the layout of transformers."""

    arrays: dict[str, np.ndarray]
    config: dict[str, Any]  # content of config.json
    use: str  # lines of Python that take the vectors from `output`
    notes: tuple[str, ...] = ()


def hugging_face_base(config: BackboneConfig, arrays: Mapping[str, np.ndarray]) -> HuggingFaceBase:
    """Convert a base to Hugging Face's names.

    Args:
        arrays: by this project's names; the mask token is left out.

    Raises:
        ExportError: no model in transformers computes the same.
    """
    return _MODELS[config.kind](config, arrays)


def _vit(config: BackboneConfig, arrays: Mapping[str, np.ndarray]) -> HuggingFaceBase:
    if config.register_tokens:
        raise ExportError("register_tokens: ViTModel has none; format=timm writes them, for AutoModel too")
    return HuggingFaceBase(
        arrays=vit_arrays(config, arrays, HUGGING_FACE_VIT),
        config={
            "architectures": ["ViTModel"],
            "model_type": "vit",
            "image_size": config.image_size,
            "patch_size": config.patch_size,
            "hidden_size": config.embed_dim,
            "num_hidden_layers": config.depth,
            "num_attention_heads": config.num_heads,
            "intermediate_size": int(config.embed_dim * config.mlp_ratio),
            "hidden_act": "gelu",
            "qkv_bias": True,
            "layer_norm_eps": NORM_EPS,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        },
        use="tokens = output.last_hidden_state  # CLS first, then patches; a pooler would be random numbers",
    )


def _swin(config: BackboneConfig, arrays: Mapping[str, np.ndarray]) -> HuggingFaceBase:
    for stage, stride in enumerate(config.stage_strides):
        side = config.image_size // stride
        if side < config.window_size:
            raise ExportError(
                f"the map of stage {stage + 1} has {side} x {side} positions, fewer than a window of "
                f"{config.window_size}: SwinModel keeps biases for windows of one size; format=timm writes it"
            )
    timm = timm_swin(config, arrays)
    found: dict[str, np.ndarray] = {}
    for name, array in timm.arrays.items():
        if name.startswith("patch_embed."):
            part = name.removeprefix("patch_embed.").replace("proj.", "patch_embeddings.projection.")
            found[f"embeddings.{part}"] = array
        elif name.startswith("norm."):
            found[f"layernorm.{name.removeprefix('norm.')}"] = array
        else:
            found |= _swin_layer(name, array)
    return HuggingFaceBase(
        arrays=found,
        config={
            "architectures": ["SwinModel"],
            "model_type": "swin",
            "image_size": config.image_size,
            "patch_size": config.patch_size,
            "embed_dim": config.embed_dim,
            "depths": list(config.depths),
            "num_heads": [config.num_heads * 2**stage for stage in range(len(config.depths))],
            "window_size": config.window_size,
            "mlp_ratio": config.mlp_ratio,
            "hidden_act": "gelu",
            "layer_norm_eps": _SWIN_EPS,
        },
        use=_POOLED,
    )


def _swin_layer(name: str, array: np.ndarray) -> dict[str, np.ndarray]:
    """One array of a stage; patch merging belongs to the end of the previous stage, as in the original."""
    _, stage, part = name.split(".", 2)
    if part.startswith("downsample."):
        return {f"encoder.layers.{int(stage) - 1}.{part}": array}
    block, layer = part.removeprefix("blocks.").split(".", 1)
    before = f"encoder.layers.{stage}.blocks.{block}."
    if layer.startswith("attn.qkv."):
        names = (f"attention.self.{each}." for each in ("query", "key", "value"))
        kind = layer.removeprefix("attn.qkv.")
        return {f"{before}{each}{kind}": one for each, one in zip(names, np.split(array, 3), strict=True)}
    for theirs, ours in _SWIN_NAMES.items():
        if layer.startswith(ours):
            return {before + theirs + layer.removeprefix(ours): array}
    raise ExportError(f"{name}: no counterpart in SwinModel")


_SWIN_NAMES = {  # of a block: Hugging Face's -> timm's
    "attention.self.relative_position_bias_table": "attn.relative_position_bias_table",
    "attention.output.dense.": "attn.proj.",
    "layernorm_before.": "norm1.",
    "layernorm_after.": "norm2.",
    "intermediate.dense.": "mlp.fc1.",
    "output.dense.": "mlp.fc2.",
}
_POOLED = "vectors, patches = output.pooler_output, output.last_hidden_state"


def _convnext(config: BackboneConfig, arrays: Mapping[str, np.ndarray]) -> HuggingFaceBase:
    if config.kernel_size != 7:
        raise ExportError(f"kernel_size {config.kernel_size}: ConvNextModel has 7 and no key for it")
    timm = timm_convnext(config, arrays)
    found = {}
    for name, array in timm.arrays.items():
        for theirs, ours in _CONVNEXT_NAMES.items():
            name = name.replace(ours, theirs)
        found[f"encoder.{name}" if name.startswith("stages.") else name] = array
    return HuggingFaceBase(
        arrays=found,
        config={
            "architectures": ["ConvNextModel"],
            "model_type": "convnext",
            "image_size": config.image_size,
            "patch_size": config.patch_size,
            "hidden_sizes": list(config.stage_dims),
            "depths": list(config.depths),
            "hidden_act": "gelu",
            "layer_norm_eps": NORM_EPS,
        },
        use=_POOLED,
        notes=("ConvNextModel norms after pooling alone: its patches are the map before the final norm",),
    )


_CONVNEXT_NAMES = {  # Hugging Face's -> timm's
    "embeddings.patch_embeddings.": "stem.0.",
    "embeddings.layernorm.": "stem.1.",
    "downsampling_layer.": "downsample.",
    "layernorm.": "head.norm.",
    ".layers.": ".blocks.",
    ".layernorm.": ".norm.",
    "dwconv.": "conv_dw.",
    "pwconv1.": "mlp.fc1.",
    "pwconv2.": "mlp.fc2.",
    "layer_scale_parameter": "gamma",
}


def _resnet(config: BackboneConfig, arrays: Mapping[str, np.ndarray]) -> HuggingFaceBase:
    if config.norm == "batch":
        return _batch_norm_resnet(config, arrays)
    raise ExportError(
        "a resnet of this project has group norm of 16 channels a group, ResNetModel batch norm alone; "
        "format=torch writes it for a network built in code"
    )


def _batch_norm_resnet(config: BackboneConfig, arrays: Mapping[str, np.ndarray]) -> HuggingFaceBase:
    found = {}
    for name, array in timm_resnet(config, arrays).arrays.items():
        *before, layer, part = name.split(".")
        if not before:
            place = "embedder.embedder." + ("convolution" if layer == "conv1" else "normalization")
        else:
            block = f"encoder.stages.{int(before[0].removeprefix('layer')) - 1}.layers.{before[1]}."
            if before[2:]:  # downsample
                place = f"{block}shortcut." + ("convolution" if layer == "0" else "normalization")
            else:
                kind = "convolution" if layer.startswith("conv") else "normalization"
                place = f"{block}layer.{int(layer[-1]) - 1}.{kind}"
        found[f"{place}.{part}"] = array
    return HuggingFaceBase(
        arrays=found,
        config={
            "architectures": ["ResNetModel"],
            "model_type": "resnet",
            "embedding_size": config.embed_dim,
            "hidden_sizes": list(config.stage_dims),
            "depths": list(config.depths),
            "layer_type": "bottleneck" if config.bottleneck else "basic",
            "hidden_act": "relu",
            "downsample_in_first_stage": False,
        },
        use=_POOLED,
    )


_MODELS: dict[str, Callable[[BackboneConfig, Mapping[str, np.ndarray]], HuggingFaceBase]] = {
    "vit": _vit,
    "swin": _swin,
    "convnext": _convnext,
    "resnet": _resnet,
}
