"""Writes a folder of one of Hugging Face's own models, which transformers reads without timm."""

from pathlib import Path

from pipeline.export.card import write_card
from pipeline.export.described_base import DescribedBase
from pipeline.export.layouts.hugging_face import hugging_face_base
from pipeline.export.safetensors_state import write_state
from pipeline.storage.files import write_json

_BICUBIC = 3  # Pillow's number
_USE = """\
from transformers import AutoImageProcessor, AutoModel
model = AutoModel.from_pretrained("{folder}"@)
processor = AutoImageProcessor.from_pretrained("{folder}")
output = model(**processor(image, return_tensors="pt"))
"""


def write_hugging_face(base: DescribedBase, folder: Path) -> tuple[str, ...]:
    """Write model.safetensors, config.json, preprocessor_config.json and README.md.

    Raises:
        ExportError: no model in transformers computes the same.
    """
    theirs = hugging_face_base(base.config, base.arrays)
    write_state(folder / "model.safetensors", theirs.arrays)
    write_json(folder / "config.json", {**theirs.config, "num_channels": 3, "torch_dtype": "float32"})
    size = base.config.image_size
    write_json(
        folder / "preprocessor_config.json",
        {
            # The models' own processors resize to a square, without a crop.
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
    pooler = ", add_pooling_layer=False" if base.config.kind == "vit" else ""
    use = _USE.replace("@", pooler) + theirs.use
    write_card(folder, base, library="transformers", use=use)
    return theirs.notes
