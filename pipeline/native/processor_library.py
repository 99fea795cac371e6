"""Compiles the fused kernels for the processor into a shared library; without Jittor."""

from pathlib import Path

from pipeline.native.build import build_library
from pipeline.runtime.onednn import onednn_paths

_FOLDER = Path(__file__).resolve().parent
_SOURCES = (
    "attention.cpp",
    "class_products.cpp",
    "cross_entropy.cpp",
    "depthwise_conv.cpp",
    "halving.cpp",
    "layer_norm.cpp",
    "optimizer.cpp",
    "pixel_cross_entropy.cpp",
    "pooling.cpp",
    "resample.cpp",
    "rows.cpp",
    "tokens.cpp",
    "top_down.cpp",
)
# These need oneDNN.
_PRODUCT_SOURCES = (
    "attention_rounded.cpp",
    "biased_conv.cpp",
    "block.cpp",
    "block_rounded.cpp",
    "conv_norm.cpp",
    "convolution.cpp",
    "linear.cpp",
    "normed_mean.cpp",
    "normed_mlp.cpp",
    "normed_mlp_rounded.cpp",
    "products.cpp",
    "relu_layers.cpp",
    "strips.cpp",
)


def build_processor_library() -> tuple[Path, bool]:
    """Compile the kernels unless their library exists already.

    Returns:
        Path of the library, and whether it multiplies: without oneDNN it has none of what needs products.

    Raises:
        BuildError: there is no compiler, or it failed.
    """
    onednn = onednn_paths()
    sources, flags = list(_SOURCES), ["-fopenmp"]
    if onednn is not None:
        include, shared = onednn
        sources += _PRODUCT_SOURCES
        flags += [f"-I{include}", str(shared), f"-Wl,-rpath,{shared.parent}"]
    headers = sorted(_FOLDER.glob("*.h"))
    path = build_library("kernels", [_FOLDER / name for name in sources], tuple(flags), headers)
    return path, onednn is not None
