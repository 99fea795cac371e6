"""Layouts of other projects' weights. A layout is recognised by a tensor name that only it has.

To add one, write a file here with a function (Tensors, Known) -> Converted, and an entry in `LAYOUTS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pipeline.weights.layouts.converted import Converted, Known
from pipeline.weights.layouts.convnext import read_convnext, read_original_convnext
from pipeline.weights.layouts.renamed import (
    read_hugging_face_convnext,
    read_hugging_face_swin,
    read_torchvision_convnext,
    read_torchvision_swin,
    read_torchvision_vit,
)
from pipeline.weights.layouts.resnet import read_hugging_face_resnet, read_resnet
from pipeline.weights.layouts.swin import read_swin
from pipeline.weights.layouts.vit import read_hugging_face_dinov2, read_hugging_face_vit, read_vit
from pipeline.weights.tensors import Tensors


@dataclass(frozen=True)
class Layout:
    """The writer of such files, their reader, and when their pixels surely have ImageNet's mean and std."""

    writer: str
    read: Callable[[Tensors, Known], Converted]
    has_imagenet_statistics: Literal["always", "without a classifier", "never"] = "without a classifier"


# A tensor name that only this layout has -> the layout.
LAYOUTS: dict[str, Layout] = {
    "blocks.0.attn.qkv.weight": Layout("ViT by timm's names", read_vit),
    "blocks.0.0.attn.qkv.weight": Layout("ViT by DINOv2's names", read_vit),
    "encoder.layer.0.layernorm_before.weight": Layout(
        "ViTModel of Hugging Face", read_hugging_face_vit, "never"
    ),
    "encoder.layer.0.layer_scale1.lambda1": Layout(
        "Dinov2Model of Hugging Face", read_hugging_face_dinov2, "never"
    ),
    "layers.0.blocks.0.attn.relative_position_bias_table": Layout("Swin by timm's names", read_swin),
    "stages.0.blocks.0.conv_dw.weight": Layout("ConvNeXt by timm's names", read_convnext),
    "stages.0.0.dwconv.weight": Layout("ConvNeXt by its authors' names", read_original_convnext),
    "layer1.0.conv1.weight": Layout("ResNet by torchvision's names", read_resnet),
    "encoder.stages.0.layers.0.layer.0.convolution.weight": Layout(
        "ResNetModel of Hugging Face", read_hugging_face_resnet, "never"
    ),
    "encoder.layers.0.blocks.0.attention.self.relative_position_bias_table": Layout(
        "SwinModel of Hugging Face", read_hugging_face_swin, "never"
    ),
    "encoder.stages.0.layers.0.dwconv.weight": Layout(
        "ConvNextModel of Hugging Face", read_hugging_face_convnext, "never"
    ),
    "encoder.layers.encoder_layer_0.ln_1.weight": Layout(
        "ViT of torchvision", read_torchvision_vit, "always"
    ),
    "features.1.0.attn.relative_position_bias_table": Layout(
        "Swin of torchvision", read_torchvision_swin, "always"
    ),
    "features.1.0.layer_scale": Layout("ConvNeXt of torchvision", read_torchvision_convnext, "always"),
}
# Regular expression of names that only an unsupported network has -> the network.
UNREAD = {
    r"(.*\.)?(self_attn|attention)\.q_proj\.weight": "a ViT of DINOv3, CLIP or SigLIP",
    r"(.*\.)?transformer\.resblocks\.\d.*": "CLIP's own ViT",
    r"(.*\.)?(logit_scale|cpb_mlp\..*|continuous_position_bias_mlp\..*)": "Swin V2",
    r"(.*\.)?trunk_output\..*": "a RegNet",
    r"(.*\.)?res2\.0\.conv1\.weight": "a ResNet of Detectron, which may stride in its 1 x 1 convolutions",
}


def convert(tensors: Tensors, known: Known) -> tuple[Layout, Converted]:
    """Convert tensors; return their layout and the result.

    Raises:
        WeightsError: the layout is unknown, or a tensor is not accounted for.
    """
    for name, layout in LAYOUTS.items():
        if name in tensors:
            converted = layout.read(tensors, known)
            tensors.finish()
            return layout, converted
    names = tensors.names()
    tensors.refuse(UNREAD)
    raise tensors.error(f"names of no known layout: {names[:3]}{' ...' if len(names) > 3 else ''}")
