"""ResNet with batch norm, with torchvision's names (also timm's, MoCo's, DINO's) or Hugging Face's.

The bases of this project have no running statistics: frozen ones are folded into a scale and a shift of each
channel.

Shapes: C channels of a stage.
"""

import re

import numpy as np

from pipeline.weights.layouts.converted import Converted, Known, checked_config, count
from pipeline.weights.tensors import Tensors

BATCH_NORM_EPS = 1e-5
_STAGES = 4
_IMAGE_SIZE = 224  # default, in pixels: convolutions do not determine it
_IGNORED = {
    r"(fc|head|classifier)\..*": "heads",
    r".*\.num_batches_tracked": "counters of batches",
}
_REFUSED = {
    r"conv1\.\d.*": "a stem of several convolutions",
    r".*\.se\..*": "squeeze and excitation",
    r".*\.downsample\.2\..*": "a shortcut that pools",
}
_HUGGING_FACE = (  # pattern of Hugging Face's name -> torchvision's name
    (r"embedder\.embedder\.convolution\.", "conv1."),
    (r"embedder\.embedder\.normalization\.", "bn1."),
    (r"\.shortcut\.convolution\.", ".downsample.0."),
    (r"\.shortcut\.normalization\.", ".downsample.1."),
)


def read_hugging_face_resnet(tensors: Tensors, known: Known) -> Converted:
    """See `read_resnet`."""
    tensors.rename(_torchvision_name)
    return read_resnet(tensors, known)


def read_resnet(tensors: Tensors, known: Known) -> Converted:
    """Convert a ResNet; its sizes follow from the tensors' shapes.

    Raises:
        WeightsError: it is another kind of ResNet, such as one with grouped convolutions or a deep stem.
    """
    tensors.refuse(_REFUSED)
    tensors.ignore(_IGNORED)
    bottleneck = "layer1.0.conv3.weight" in tensors
    dim = tensors.shape("conv1.weight", 4)[0]
    config = checked_config(
        tensors,
        kind="resnet",
        image_size=known.image_size or _IMAGE_SIZE,
        patch_size=4,
        embed_dim=dim,
        depths=tuple(count(tensors, f"layer{stage + 1}.{{}}.conv1.weight") for stage in range(_STAGES)),
        bottleneck=bottleneck,
        norm="batch",
    )
    arrays = {"stem.filters": tensors.take("conv1.weight", (dim, 3, 7, 7))}
    arrays |= _folded(tensors, "bn1", "norm_stem", dim)
    first, before = 0, dim
    for stage, depth in enumerate(config.depths):
        out = config.stage_dims[stage]
        inner = out // 4 if bottleneck else out
        for index in range(depth):
            theirs, ours = f"layer{stage + 1}.{index}.", f"blocks.{first + index}."
            shapes = [(inner, before, 3, 3), (out, inner, 3, 3)]
            if bottleneck:
                shapes = [(inner, before, 1, 1), (inner, inner, 3, 3), (out, inner, 1, 1)]
            for number, shape in enumerate(shapes):
                arrays[f"{ours}convs.{number}.filters"] = tensors.take(
                    f"{theirs}conv{number + 1}.weight", shape
                )
                arrays |= _folded(tensors, f"{theirs}bn{number + 1}", f"{ours}norms.{number}", shape[0])
            if before != out or (stage > 0 and index == 0):
                shape = (out, before, 1, 1)
                arrays[f"{ours}shortcut.filters"] = tensors.take(f"{theirs}downsample.0.weight", shape)
                arrays |= _folded(tensors, f"{theirs}downsample.1", f"{ours}norm_shortcut", out)
            before = out
        first += depth
    tensors.notes.append("batch norm is frozen: its statistics and numbers are a scale and a shift each")
    if bottleneck:
        tensors.notes.append(
            "assumed: a bottleneck strides in its 3 x 3 convolution, which shapes do not tell"
        )
    return Converted(config, arrays)


def _folded(tensors: Tensors, theirs: str, ours: str, dim: int) -> dict[str, np.ndarray]:
    """Scale and shift of a batch norm with fixed statistics."""
    parts = ("weight", "bias", "running_mean", "running_var")
    weight, bias, mean, var = (tensors.take(f"{theirs}.{part}", (dim,)).astype(np.float64) for part in parts)
    if (var < 0).any():
        raise tensors.error(f"'{theirs}.running_var' holds numbers below 0")
    scale = weight / np.sqrt(var + BATCH_NORM_EPS)
    folded = {"weight": scale, "bias": bias - mean * scale}
    return {f"{ours}.{part}": array.astype(np.float32) for part, array in folded.items()}


def _torchvision_name(name: str) -> str:
    for pattern, ours in _HUGGING_FACE:
        name = re.sub(pattern, ours, name)

    def stage(found: re.Match) -> str:
        return f"layer{int(found[1]) + 1}.{found[2]}."

    def layer(found: re.Match) -> str:
        kind = "conv" if found[2] == "convolution" else "bn"
        return f".{kind}{int(found[1]) + 1}."

    name = re.sub(r"encoder\.stages\.(\d+)\.layers\.(\d+)\.", stage, name)
    return re.sub(r"\.layer\.(\d+)\.(convolution|normalization)\.", layer, name)
