"""Layouts of foreign weights: one file for each family of names; a layout is recognised by its `sign`.

To add one, write a file here with a function (Tensors, Known) -> Converted, and an entry in `LAYOUTS`.
"""

from collections.abc import Callable

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

# A name that only this layout has -> who writes it, and what reads it.
LAYOUTS: dict[str, tuple[str, Callable[[Tensors, Known], Converted]]] = {
    "blocks.0.attn.qkv.weight": ("ViT by timm's names", read_vit),
    "blocks.0.0.attn.qkv.weight": ("ViT by DINOv2's names", read_vit),
    "encoder.layer.0.layernorm_before.weight": ("ViTModel of Hugging Face", read_hugging_face_vit),
    "encoder.layer.0.layer_scale1.lambda1": ("Dinov2Model of Hugging Face", read_hugging_face_dinov2),
    "layers.0.blocks.0.attn.relative_position_bias_table": ("Swin by timm's names", read_swin),
    "stages.0.blocks.0.conv_dw.weight": ("ConvNeXt by timm's names", read_convnext),
    "stages.0.0.dwconv.weight": ("ConvNeXt by its authors' names", read_original_convnext),
    "layer1.0.conv1.weight": ("ResNet by torchvision's names", read_resnet),
    "encoder.stages.0.layers.0.layer.0.convolution.weight": (
        "ResNetModel of Hugging Face",
        read_hugging_face_resnet,
    ),
    "encoder.layers.0.blocks.0.attention.self.relative_position_bias_table": (
        "SwinModel of Hugging Face",
        read_hugging_face_swin,
    ),
    "encoder.stages.0.layers.0.dwconv.weight": ("ConvNextModel of Hugging Face", read_hugging_face_convnext),
    "encoder.layers.encoder_layer_0.ln_1.weight": ("ViT of torchvision", read_torchvision_vit),
    "features.1.0.attn.relative_position_bias_table": ("Swin of torchvision", read_torchvision_swin),
    "features.1.0.layer_scale": ("ConvNeXt of torchvision", read_torchvision_convnext),
}
# Names that only what is not read has -> what it is.
UNREAD = {
    r"(.*\.)?(self_attn|attention)\.q_proj\.weight": "a ViT of DINOv3, CLIP or SigLIP",
    r"(.*\.)?transformer\.resblocks\.\d.*": "CLIP's own ViT",
    r"(.*\.)?(logit_scale|cpb_mlp\..*|continuous_position_bias_mlp\..*)": "Swin V2",
    r"(.*\.)?trunk_output\..*": "a RegNet",
    r"(.*\.)?res2\.0\.conv1\.weight": "a ResNet of Detectron, which may stride in its 1 x 1 convolutions",
}


def convert(tensors: Tensors, known: Known) -> tuple[str, Converted]:
    """Convert tensors; return the name of their layout, and this project's arrays.

    Raises:
        WeightsError: the layout is not known, or a tensor is not accounted for.
    """
    for sign, (name, read) in LAYOUTS.items():
        if sign in tensors:
            converted = read(tensors, known)
            tensors.finish()
            return name, converted
    names = tensors.names()
    tensors.refuse(UNREAD)
    raise tensors.error(f"names of no known layout: {names[:3]}{' ...' if len(names) > 3 else ''}")
