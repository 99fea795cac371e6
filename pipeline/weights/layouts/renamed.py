"""Layouts that differ from timm's only by names: those of torchvision and of Hugging Face.

Each is a list of (pattern, replacement), applied in order, that gives timm's or the authors' names.
"""

import re
from collections.abc import Callable

from pipeline.weights.layouts.converted import Converted, Known
from pipeline.weights.layouts.convnext import read_convnext
from pipeline.weights.layouts.swin import read_swin
from pipeline.weights.layouts.vit import read_vit
from pipeline.weights.tensors import Tensors

Names = tuple[tuple[str, str | Callable[[re.Match], str]], ...]


def _stage(found: re.Match) -> str:
    """A stage: torchvision counts stages and the merging between them in one list, 1, 2, ... 7."""
    return f"layers.{(int(found[1]) - 1) // 2}.blocks.{found[2]}."


def _merging(found: re.Match) -> str:
    """The patch merging after a stage, named as by the authors of Swin."""
    return f"layers.{int(found[1]) // 2 - 1}.downsample."


def _convnext_stage(found: re.Match) -> str:
    return f"stages.{(int(found[1]) - 1) // 2}.blocks.{found[2]}."


def _convnext_entrance(found: re.Match) -> str:
    return f"stages.{int(found[1]) // 2}.downsample.{found[2]}."


TORCHVISION_VIT: Names = (
    (r"class_token", "cls_token"),
    (r"conv_proj\.", "patch_embed.proj."),
    (r"encoder\.pos_embedding", "pos_embed"),
    (r"encoder\.ln\.", "norm."),
    (r"encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.self_attention\.in_proj_", ".attn.qkv."),
    (r"\.self_attention\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.(0|linear_1)\.", ".mlp.fc1."),
    (r"\.mlp\.(3|linear_2)\.", ".mlp.fc2."),
    (r"heads\.", "head."),
)
TORCHVISION_SWIN: Names = (
    (r"features\.0\.0\.", "patch_embed.proj."),
    (r"features\.0\.2\.", "patch_embed.norm."),
    (r"features\.([1357])\.(\d+)\.", _stage),
    (r"features\.([246])\.(?=norm|reduction)", _merging),
    (r"\.mlp\.0\.", ".mlp.fc1."),
    (r"\.mlp\.3\.", ".mlp.fc2."),
)
TORCHVISION_CONVNEXT: Names = (
    (r"features\.0\.([01])\.", r"stem.\1."),
    (r"features\.([1357])\.(\d+)\.", _convnext_stage),
    (r"features\.([246])\.([01])\.", _convnext_entrance),
    (r"\.block\.0\.", ".conv_dw."),
    (r"\.block\.2\.", ".norm."),
    (r"\.block\.3\.", ".mlp.fc1."),
    (r"\.block\.5\.", ".mlp.fc2."),
    (r"\.layer_scale$", ".gamma"),
    (r"classifier\.0\.", "head.norm."),
    (r"classifier\.2\.", "head.fc."),
)
HUGGING_FACE_SWIN: Names = (
    (r"embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"embeddings\.norm\.", "patch_embed.norm."),
    (r"embeddings\.position_embeddings", "absolute_pos_embed"),
    (r"embeddings\.mask_token", "mask_token"),
    (r"encoder\.layers\.", "layers."),
    (r"\.attention\.self\.relative_", ".attn.relative_"),
    (r"\.attention\.self\.", ".attn."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"^layernorm\.", "norm."),
    (r"^classifier\.", "head."),
)
HUGGING_FACE_CONVNEXT: Names = (
    (r"embeddings\.patch_embeddings\.", "stem.0."),
    (r"embeddings\.layernorm\.", "stem.1."),
    (r"^layernorm\.", "head.norm."),
    (r"encoder\.stages\.", "stages."),
    (r"\.downsampling_layer\.", ".downsample."),
    (r"\.layers\.", ".blocks."),
    (r"\.layernorm\.", ".norm."),
    (r"\.dwconv\.", ".conv_dw."),
    (r"\.pwconv1\.", ".mlp.fc1."),
    (r"\.pwconv2\.", ".mlp.fc2."),
    (r"\.layer_scale_parameter", ".gamma"),
    (r"^classifier\.", "head.fc."),
)


def renamed(
    names: Names, read: Callable[[Tensors, Known], Converted]
) -> Callable[[Tensors, Known], Converted]:
    """A reader that renames the tensors and then calls `read`."""

    def name_of(name: str) -> str:
        for pattern, new in names:
            name = re.sub(pattern, new, name)
        return name

    def read_renamed(tensors: Tensors, known: Known) -> Converted:
        tensors.rename(name_of)
        return read(tensors, known)

    return read_renamed


read_torchvision_vit = renamed(TORCHVISION_VIT, read_vit)
read_torchvision_swin = renamed(TORCHVISION_SWIN, read_swin)
read_torchvision_convnext = renamed(TORCHVISION_CONVNEXT, read_convnext)
read_hugging_face_swin = renamed(HUGGING_FACE_SWIN, read_swin)
read_hugging_face_convnext = renamed(HUGGING_FACE_CONVNEXT, read_convnext)
