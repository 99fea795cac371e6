"""Swin with timm's names or with its authors' names, which put patch merging into different stages.

Shapes: C channels of the first stage, p pixels of a patch's side.
"""

import math

import numpy as np

from pipeline.weights.layouts.converted import Converted, Known, checked_config, count, mlp_ratio
from pipeline.weights.layouts.stem import columns_by_position, patch_side
from pipeline.weights.tensors import Tensors

_STAGES = 4
_IMAGE_SIZE = 224  # default, in pixels: the window sizes do not determine it
_IGNORED = {
    r"(head|pooler)\..*": "heads",
    r".*\.(relative_position_index|attn_mask)": "tables that follow from the sizes",
}
_REFUSED = {
    r".*(logit_scale|cpb_mlp).*": "blocks of Swin V2",
    r"absolute_pos_embed": "an absolute position embedding",
}


def read_swin(tensors: Tensors, known: Known) -> Converted:
    """Convert a Swin; its sizes follow from the tensors' shapes.

    If windows do not divide a map, features differ: see `pipeline.models.auxiliary_heads.windows`.
    """
    tensors.refuse(_REFUSED)
    tensors.ignore(_IGNORED)
    dim, side = patch_side(tensors, "patch_embed.proj.weight")
    depths = tuple(count(tensors, f"layers.{stage}.blocks.{{}}.norm1.weight") for stage in range(_STAGES))
    table = "layers.{}.blocks.0.attn.relative_position_bias_table"
    sides = [(math.isqrt(tensors.shape(table.format(stage), 2)[0]) + 1) // 2 for stage in range(_STAGES)]
    ratio = mlp_ratio(tensors, "layers.0.blocks.0.mlp.fc1.weight", dim)
    config = checked_config(
        tensors,
        kind="swin",
        image_size=known.image_size or _IMAGE_SIZE,
        patch_size=side,
        embed_dim=dim,
        depths=depths,
        num_heads=tensors.shape(table.format(0))[1],
        mlp_ratio=ratio,
        window_size=max(sides),
    )
    expected = [min(max(sides), config.image_size // stride) for stride in config.stage_strides]
    if sides != expected:
        raise tensors.error(
            f"windows of {sides} positions a side in the four stages, expected {expected} at "
            f"{config.image_size} pixels: another image_size?"
        )
    arrays = {
        "stem.patch_embed.weight": columns_by_position(tensors.take("patch_embed.proj.weight")),
        "stem.patch_embed.bias": tensors.take("patch_embed.proj.bias", (dim,)),
    }
    for part in ("weight", "bias"):
        arrays[f"stem.norm.{part}"] = tensors.take(f"patch_embed.norm.{part}", (dim,))
        arrays[f"norm.{part}"] = tensors.take(f"norm.{part}", (config.dim,))
    authors = "layers.0.downsample.norm.weight" in tensors  # merging at the end of a stage, not at its start
    first = 0
    for stage, depth in enumerate(depths):
        if stage > 0:
            before = f"layers.{stage - 1 if authors else stage}.downsample."
            arrays |= _merging(tensors, before, f"blocks.{first}.entrance.", config.stage_dims[stage])
        for index in range(depth):
            theirs, ours = f"layers.{stage}.blocks.{index}.", f"blocks.{first + index}."
            arrays |= _block(tensors, theirs, ours, config.stage_dims[stage], ratio)
            name = "attn.relative_position_bias_table"
            shape = ((2 * sides[stage] - 1) ** 2, config.num_heads * 2**stage)
            arrays[f"{ours}attention.relative_position_bias"] = tensors.take(theirs + name, shape)
        first += depth
    return Converted(config, arrays)


def _block(tensors: Tensors, theirs: str, ours: str, dim: int, ratio: float) -> dict[str, np.ndarray]:
    """Arrays of one block, without the table of relative positions."""
    hidden = int(dim * ratio)
    layers = {
        "norm_attention": ("norm1", (dim,)),
        "attention.qkv": ("attn.qkv", (3 * dim, dim)),
        "attention.out": ("attn.proj", (dim, dim)),
        "norm_mlp": ("norm2", (dim,)),
        "mlp.expand": ("mlp.fc1", (hidden, dim)),
        "mlp.contract": ("mlp.fc2", (dim, hidden)),
    }
    arrays = {}
    if f"{theirs}attn.query.weight" in tensors:  # three layers, as in Hugging Face
        for kind, shape in (("weight", (dim, dim)), ("bias", (dim,))):
            parts = [tensors.take(f"{theirs}attn.{part}.{kind}", shape) for part in ("query", "key", "value")]
            arrays[f"{ours}attention.qkv.{kind}"] = np.concatenate(parts)
        del layers["attention.qkv"]
    for layer, (name, shape) in layers.items():
        arrays[f"{ours}{layer}.weight"] = tensors.take(f"{theirs}{name}.weight", shape)
        arrays[f"{ours}{layer}.bias"] = tensors.take(f"{theirs}{name}.bias", shape[:1])
    return arrays


def _merging(tensors: Tensors, theirs: str, ours: str, dim: int) -> dict[str, np.ndarray]:
    """Arrays of a patch merging. Theirs order the 2 x 2 positions by columns, ours by rows."""

    def by_rows(array: np.ndarray) -> np.ndarray:
        return array.reshape(*array.shape[:-1], 4, dim // 2)[..., [0, 2, 1, 3], :].reshape(array.shape)

    return {
        f"{ours}norm.weight": by_rows(tensors.take(f"{theirs}norm.weight", (2 * dim,))),
        f"{ours}norm.bias": by_rows(tensors.take(f"{theirs}norm.bias", (2 * dim,))),
        f"{ours}weight": by_rows(tensors.take(f"{theirs}reduction.weight", (dim, 2 * dim))),
    }
