"""A folder of Hugging Face's own ViT, which transformers reads without timm."""

from pathlib import Path

from pipeline.export.card import write_card
from pipeline.export.described_base import DescribedBase
from pipeline.export.error import ExportError
from pipeline.export.layouts.vit import vit_arrays
from pipeline.export.safetensors_state import write_state
from pipeline.storage.files import write_json
from pipeline.weights.layouts.converted import NORM_EPS
from pipeline.weights.layouts.vit import HUGGING_FACE_VIT

_BICUBIC = 3  # Pillow's number
_USE = """\
from transformers import AutoImageProcessor, AutoModel
model = AutoModel.from_pretrained("{folder}", add_pooling_layer=False)  # a pooler would be random numbers
processor = AutoImageProcessor.from_pretrained("{folder}")
tokens = model(**processor(image, return_tensors="pt")).last_hidden_state  # CLS first, then patches"""


def write_hugging_face(base: DescribedBase, folder: Path) -> tuple[str, ...]:
    """Write model.safetensors, config.json, preprocessor_config.json and README.md.

    Raises:
        ExportError: the base is no ViT.
    """
    config = base.config
    if config.kind != "vit":
        raise ExportError(
            f"format=hf writes a ViT, this base is a {config.kind}; "
            "transformers reads what format=timm writes of it, where timm is installed"
        )
    arrays = vit_arrays(config, base.arrays, HUGGING_FACE_VIT)
    write_state(folder / "model.safetensors", arrays)
    write_json(
        folder / "config.json",
        {
            "architectures": ["ViTModel"],
            "model_type": "vit",
            "image_size": config.image_size,
            "patch_size": config.patch_size,
            "num_channels": 3,
            "hidden_size": config.embed_dim,
            "num_hidden_layers": config.depth,
            "num_attention_heads": config.num_heads,
            "intermediate_size": int(config.embed_dim * config.mlp_ratio),
            "hidden_act": "gelu",
            "qkv_bias": True,
            "layer_norm_eps": NORM_EPS,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "torch_dtype": "float32",
        },
    )
    size = config.image_size
    write_json(
        folder / "preprocessor_config.json",
        {
            # ViT's own processor resizes to a square and cuts nothing off.
            "image_processor_type": "BitImageProcessor",
            "do_convert_rgb": True,
            "do_resize": True,
            "size": {"shortest_edge": base.resize},
            "resample": _BICUBIC,
            "do_center_crop": True,
            "crop_size": {"height": size, "width": size},
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": base.mean.tolist(),
            "image_std": base.std.tolist(),
        },
    )
    write_card(folder, base, library="transformers", use=_USE)
    return ()
