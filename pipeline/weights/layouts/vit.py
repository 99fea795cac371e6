"""ViT with timm's names (also DeiT's, DINO's, iBOT's, HSSL's, MAE's, MoCo v3's, DINOv2's) or Hugging Face's.

All have pre-norm blocks, exact GELU, norms with eps 1e-6, and a position embedding with the CLS token first.

Shapes: D channels, p pixels of a patch's side, N patches.
"""

import math
import re
from dataclasses import dataclass, field

import numpy as np

from pipeline.weights.layouts.converted import Converted, Known, checked_config, count, mlp_ratio
from pipeline.weights.layouts.stem import patch_side
from pipeline.weights.position_grid import grid_resampling
from pipeline.weights.tensors import Tensors

_CHANNELS_OF_A_HEAD = 64
_MOCO_V3_HEADS = 12  # also in its ViT-S of 384 channels; Chen et al. 2021, section 4.3


@dataclass(frozen=True)
class VitNames:
    """The names of a ViT's parts in one project."""

    patch: str
    cls: str
    positions: str
    registers: tuple[str, ...]  # all that exist are concatenated
    masks: tuple[str, ...]  # the mask token, under the first name that exists
    norm: str
    block: str  # prefix of block {}
    layers: dict[str, tuple[str, ...]]  # our layer -> theirs; several are concatenated
    scales: dict[str, str]  # our layer -> the LayerScale after it
    ignored: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


TIMM = VitNames(
    patch="patch_embed.proj",
    cls="cls_token",
    positions="pos_embed",
    registers=("dist_token", "reg_token", "register_tokens"),
    masks=("masked_embed", "mask_token"),
    norm="norm",
    block="blocks.{}.",
    layers={
        "norm_attention": ("norm1",),
        "attention.qkv": ("attn.qkv",),
        "attention.out": ("attn.proj",),
        "norm_mlp": ("norm2",),
        "mlp.expand": ("mlp.fc1",),
        "mlp.contract": ("mlp.fc2",),
    },
    scales={"attention.out": "ls1.gamma", "mlp.contract": "ls2.gamma"},
    ignored={
        r"(head|head2|head_dist|pre_logits)\..*": "heads",
        r"decoder_.*": "the decoder of MAE",
        r"(conv_blocks|norm2)\..*": "the auxiliary head of HSSL",
    },
    refused={
        r"attn_pool\..*": "pooling by attention",
        r"blocks\.\d+\.mlp\.(w12|w3|fc1_g|fc1_x)\..*": "SwiGLU layers",
        r"blocks\.\d+\.attn\.[qk]_norm\..*": "norms of queries and keys",
        r"norm_pre\..*": "a norm before the blocks",
        r".*(rel_pos|relative_position).*": "relative positions",
        r".*rope.*": "rotary positions",
        r"blocks\.\d+\.gamma_\d|blocks\.\d+\.attn\.[qv]_bias": "blocks of BEiT, EVA or timm's DINOv3",
        r"fc_norm\..*": "pooling before the norm",
    },
)
_HUGGING_FACE_ATTENTION = {
    "attention.qkv": tuple(f"attention.attention.{part}" for part in ("query", "key", "value")),
    "attention.out": ("attention.output.dense",),
}
HUGGING_FACE_VIT = VitNames(
    patch="embeddings.patch_embeddings.projection",
    cls="embeddings.cls_token",
    positions="embeddings.position_embeddings",
    registers=("embeddings.distillation_token",),
    masks=("embeddings.mask_token",),
    norm="layernorm",
    block="encoder.layer.{}.",
    layers=_HUGGING_FACE_ATTENTION
    | {
        "norm_attention": ("layernorm_before",),
        "norm_mlp": ("layernorm_after",),
        "mlp.expand": ("intermediate.dense",),
        "mlp.contract": ("output.dense",),
    },
    scales={},
    ignored={r"(pooler|(cls_|distillation_)?classifier|lm_head)\..*": "heads"},
    refused={
        r"encoder\.layer\.\d+\.lambda_[12]|.*relative_position_bias.*": "blocks of BEiT",
    },
)
HUGGING_FACE_DINOV2 = VitNames(
    patch=HUGGING_FACE_VIT.patch,
    cls=HUGGING_FACE_VIT.cls,
    positions=HUGGING_FACE_VIT.positions,
    registers=("embeddings.register_tokens",),
    masks=HUGGING_FACE_VIT.masks,
    norm="layernorm",
    block="encoder.layer.{}.",
    layers=_HUGGING_FACE_ATTENTION
    | {
        "norm_attention": ("norm1",),
        "norm_mlp": ("norm2",),
        "mlp.expand": ("mlp.fc1",),
        "mlp.contract": ("mlp.fc2",),
    },
    scales={"attention.out": "layer_scale1.lambda1", "mlp.contract": "layer_scale2.lambda1"},
    ignored={r"classifier\..*": "heads"},
    refused={
        r".*\.mlp\.(weights_in|weights_out)\..*": "SwiGLU layers",
    },
)


def read_vit(tensors: Tensors, known: Known) -> Converted:
    """See `_read`. Blocks that DINOv2 stores in chunks, "blocks.<chunk>.<i>.", are numbered by i."""
    tensors.rename(lambda name: re.sub(r"^blocks\.\d+\.(?=\d+\.)", "blocks.", name))
    return _read(tensors, known, TIMM)


def read_hugging_face_vit(tensors: Tensors, known: Known) -> Converted:
    """See `_read`."""
    return _read(tensors, known, HUGGING_FACE_VIT)


def read_hugging_face_dinov2(tensors: Tensors, known: Known) -> Converted:
    """See `_read`."""
    return _read(tensors, known, HUGGING_FACE_DINOV2)


def _read(tensors: Tensors, known: Known, names: VitNames) -> Converted:
    """Convert a ViT; its sizes follow from the tensors' shapes.

    LayerScale is folded into the layer before it. For an image size other than the file's, the position
    embedding is resampled as the network would do at run time.
    """
    tensors.refuse(names.refused)
    if names.cls not in tensors:
        raise tensors.error(f"no {names.cls!r}: a ViT without a CLS token, which this project's has")
    dim, side = patch_side(tensors, f"{names.patch}.weight")
    ratio = mlp_ratio(tensors, names.block.format(0) + names.layers["mlp.expand"][0] + ".weight", dim)
    registers = _registers(tensors, names, dim)
    positions, image_size = _positions(tensors, known, names.positions, dim, side, registers)
    config = checked_config(
        tensors,
        kind="vit",
        image_size=image_size,
        patch_size=side,
        embed_dim=dim,
        depth=count(tensors, names.block + names.layers["norm_attention"][0] + ".weight"),
        num_heads=_num_heads(tensors, known, dim),
        mlp_ratio=ratio,
        register_tokens=len(registers) or None,
    )
    arrays = {
        # In the order channel, row, column, as in a convolution's weight.
        "patch_embed.weight": tensors.take(f"{names.patch}.weight").reshape(dim, -1),
        "patch_embed.bias": tensors.take(f"{names.patch}.bias", (dim,)),
        "cls_token": tensors.take(names.cls, (1, 1, dim)).reshape(1, dim),
        "pos_embed": positions,
    }
    if len(registers):
        arrays["register_tokens"] = registers
    biases = [f"{part}.bias" for part in names.layers["attention.qkv"]]
    biased = any(name.endswith(tuple(biases)) for name in tensors.names())
    if not biased:
        tensors.notes.append("queries, keys and values have no biases: zeros here")
    for index in range(config.depth):
        arrays |= _block(tensors, names, index, dim, int(dim * ratio), biased=biased)
    for part in ("weight", "bias"):
        arrays[f"norm.{part}"] = tensors.take(f"{names.norm}.{part}", (dim,))
    tensors.ignore(names.ignored)
    return Converted(config, arrays | _mask_token(tensors, names, dim))


def _block(
    tensors: Tensors, names: VitNames, index: int, dim: int, hidden: int, *, biased: bool
) -> dict[str, np.ndarray]:
    """Arrays of one block, with LayerScale folded in. biased: queries, keys and values have biases."""
    shapes = {
        "norm_attention": (dim,),
        "attention.qkv": (3 * dim, dim),
        "attention.out": (dim, dim),
        "norm_mlp": (dim,),
        "mlp.expand": (hidden, dim),
        "mlp.contract": (dim, hidden),
    }
    arrays, before = {}, names.block.format(index)
    for layer, shape in shapes.items():
        parts = names.layers[layer]
        scale = before + names.scales.get(layer, "")
        factor = tensors.take(scale, (dim,)) if layer in names.scales and scale in tensors else None
        for kind, whole in (("weight", shape), ("bias", shape[:1])):
            part_shape = (whole[0] // len(parts), *whole[1:])
            if kind == "bias" and layer == "attention.qkv" and not biased:
                arrays[f"blocks.{index}.{layer}.bias"] = np.zeros(whole, np.float32)
                continue
            array = np.concatenate([tensors.take(f"{before}{part}.{kind}", part_shape) for part in parts])
            if factor is not None:
                array = array * (factor[:, None] if array.ndim == 2 else factor)
            arrays[f"blocks.{index}.{layer}.{kind}"] = array
    return arrays


def _registers(tensors: Tensors, names: VitNames, dim: int) -> np.ndarray:
    """Register tokens (R, D); R may be 0."""
    found = [np.zeros((0, dim), np.float32)]
    for name in names.registers:
        if name in tensors:
            shape = tensors.shape(name, 3)
            found.append(tensors.take(name, (1, shape[1], dim))[0])
            if name.endswith(("dist_token", "distillation_token")):
                tensors.notes.append(
                    "the distillation token is a register: it is attended to, and is no feature"
                )
    return np.concatenate(found)


def _positions(
    tensors: Tensors, known: Known, name: str, dim: int, side: int, registers: np.ndarray
) -> tuple[np.ndarray, int]:
    """Position embedding (1 + N, D), CLS first, and the image size in pixels that it belongs to.

    Args:
        registers: (R, D); if they have positions, these are added to them in place.
    """
    if name not in tensors:
        raise tensors.error(f"no {name!r}: a ViT with positions of another kind, as DINOv3's rotary ones")
    shape = tensors.shape(name)
    if len(shape) != 3 or shape[0] != 1 or shape[2] != dim or shape[1] < 1:
        raise tensors.error(f"{name!r} has shape {shape}, expected (1, 1 + N, {dim})")
    embedding = tensors.take(name)[0]
    # Number of embedded tokens before the patches: CLS; none (timm's `no_embed_class`); CLS and registers.
    for before in (1, 0, 1 + len(registers)):
        if len(embedding) >= before and math.isqrt(len(embedding) - before) ** 2 == len(embedding) - before:
            break
    else:
        raise tensors.error(f"{name!r} has shape {shape}: its patches are no square grid")
    grid = math.isqrt(len(embedding) - before)
    if before > 1:
        registers += embedding[1:before]
    cls = embedding[:1] if before else np.zeros((1, dim), np.float32)
    patches = embedding[before:]
    if grid == 0:
        raise tensors.error(f"{name!r} has shape {shape}: no patches")
    image_size = known.image_size or grid * side
    new = image_size // side
    if image_size % side:
        raise tensors.error(f"image_size {image_size} is not divisible by the patches' {side} pixels")
    if new != grid:
        tensors.notes.append(
            f"resized: positions from {grid * side} px ({grid} x {grid}) to {image_size} px ({new} x {new})"
        )
        patches = grid_resampling((grid, grid), (new, new)) @ patches
    return np.concatenate([cls, patches]), image_size


def _num_heads(tensors: Tensors, known: Known, dim: int) -> int:
    if known.num_heads is not None:
        return known.num_heads
    if known.prefix in ("base_encoder.", "momentum_encoder.") and dim in (384, 768):
        return _MOCO_V3_HEADS
    if dim % _CHANNELS_OF_A_HEAD:
        raise tensors.error(
            f"num_heads is not in the file, and {dim} channels are no multiple of 64; state it"
        )
    tensors.notes.append(f"assumed: {dim // _CHANNELS_OF_A_HEAD} heads, one for each 64 channels")
    return dim // _CHANNELS_OF_A_HEAD


def _mask_token(tensors: Tensors, names: VitNames, dim: int) -> dict[str, np.ndarray]:
    """The base's mask token, if the file has one."""
    name = next((each for each in names.masks if each in tensors), None)
    if name is None:
        return {}
    if any(each.startswith("left out: the decoder") for each in tensors.notes):
        tensors.ignore({re.escape(name): "the mask token of MAE's decoder"})
        return {}
    return {"mask_token": tensors.take(name, (1, dim), (1, 1, dim)).reshape(1, dim)}
