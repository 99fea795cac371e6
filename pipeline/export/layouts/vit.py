"""ViT with timm's names, and with those of Hugging Face.

Shapes: D channels, p pixels of a patch's side, N patches.
"""

from collections.abc import Mapping

import numpy as np

from pipeline.config.backbone import BackboneConfig
from pipeline.export.layouts.timm_base import TimmBase
from pipeline.weights.layouts.vit import TIMM, VitNames


def timm_vit(config: BackboneConfig, arrays: Mapping[str, np.ndarray]) -> TimmBase:
    """See `pipeline.export.layouts.timm_base`; every size has a counterpart."""
    return TimmBase(
        arrays=vit_arrays(config, arrays, TIMM),
        # All sizes are given as arguments; the architecture stands for what every ViT here has in common.
        architecture="vit_small_patch16_224",
        arguments={
            "img_size": config.image_size,
            "patch_size": config.patch_size,
            "embed_dim": config.embed_dim,
            "depth": config.depth,
            "num_heads": config.num_heads,
            "mlp_ratio": config.mlp_ratio,
            **(
                {"reg_tokens": config.register_tokens, "no_embed_class": True}
                if config.register_tokens
                else {}
            ),
        },
        pool="token",
    )


def vit_arrays(
    config: BackboneConfig, arrays: Mapping[str, np.ndarray], names: VitNames
) -> dict[str, np.ndarray]:
    """Convert the arrays of this project's ViT to other names; the mask token is left out.

    Registers are written as in timm: positions are of patches only, that of CLS is added to its token.
    """
    dim, side = config.embed_dim, config.patch_size
    found = {
        # Channel, row, column: the order in a convolution's weight.
        f"{names.patch}.weight": arrays["patch_embed.weight"].reshape(dim, 3, side, side),
        f"{names.patch}.bias": arrays["patch_embed.bias"],
        names.cls: arrays["cls_token"][None],
        names.positions: arrays["pos_embed"][None],
    }
    if config.register_tokens:
        found[names.cls] = (arrays["cls_token"] + arrays["pos_embed"][:1])[None]
        found[names.positions] = arrays["pos_embed"][None, 1:]
        found["reg_token"] = arrays["register_tokens"][None]
    for part in ("weight", "bias"):
        found[f"{names.norm}.{part}"] = arrays[f"norm.{part}"]
        for index in range(config.depth):
            for layer, theirs in names.layers.items():
                pieces = np.split(arrays[f"blocks.{index}.{layer}.{part}"], len(theirs))
                before = names.block.format(index)
                found |= {f"{before}{name}.{part}": piece for name, piece in zip(theirs, pieces, strict=True)}
    return found
