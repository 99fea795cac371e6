"""A backbone for dense tasks: four feature maps of an image of any size."""

from pathlib import Path

import jittor as jt
from jittor import nn

from pipeline.models.backbone_file import FrozenBackbone, load_backbone
from pipeline.models.encoder import Encoder


class DenseBackbone(nn.Module):
    """Four taps of a backbone, shallow to deep, of equal or of different sizes.

    Args:
        network: the backbone; its parameters are shared, not copied.
        tap_norm: taps with a norm, see `taps` of the backbone.
        frozen: nothing in it has a gradient or changes.
    """

    def __init__(self, network: Encoder, *, tap_norm: bool, frozen: bool):
        super().__init__()
        self.network = network
        self.tap_norm = tap_norm
        self.frozen = frozen
        self.dims, self.strides = network.tap_dims, network.tap_strides  # channels, pixels; of each tap
        self.stride = network.stride  # pixels; sides of images are padded to multiples of it
        self.depth = network.depth  # blocks
        # A parameter that no tap uses would still be decayed, and would have no gradient.
        names = [name for name, _ in network.named_parameters()]
        unused = ("mask_token",) if tap_norm else ("mask_token", "norm.weight", "norm.bias")
        self.unused = tuple(name for name in unused if name in names)
        for name, parameter in network.named_parameters():
            (parameter.stop_grad if frozen or name in self.unused else parameter.start_grad)()

    def described(self) -> str:
        """A line on how the loaded arrays are used; loading is strict, so none is missing or unexpected."""
        count = len(self.network.named_parameters())
        state = "frozen" if self.frozen else "fine-tuned"
        return (
            f"backbone: {count - len(self.unused)} of {count} arrays used, {state}; "
            f"not used: {', '.join(self.unused)}; missing: none; unexpected: none"
        )

    def execute(self, images: jt.Var, drop_path_scales: jt.Var | None = None) -> list[jt.Var]:
        """images (B, 3, H, W) of any size -> four maps (B, h_i, w_i, dims[i]).

        Images are padded with 0, the mean colour, on the right and at the bottom, to multiples of `stride`:
        no pixel is left out. h_i is the padded height divided by strides[i].
        """
        images = padded_to_multiple(images, self.stride)
        if self.frozen:
            with jt.no_grad():
                return self.network.taps(images, normed=self.tap_norm)
        return self.network.taps(images, normed=self.tap_norm, drop_path_scales=drop_path_scales)


def padded_to_multiple(images: jt.Var, multiple: int) -> jt.Var:
    """(B, C, H, W) with zeros on the right and at the bottom, so that `multiple` divides both sides."""
    height, width = images.shape[2:]
    below, right = -height % multiple, -width % multiple
    return nn.pad(images, (0, right, 0, below)) if below or right else images


def open_dense_backbone(path: Path, *, tap_norm: bool, frozen: bool) -> tuple[DenseBackbone, FrozenBackbone]:
    """Read a backbone file for a dense task.

    Returns:
        The backbone with taps, and the file's metadata: input statistics, architecture, kind of weights.

    Raises:
        WeightsError: no backbone of this project, or arrays that do not fit it.
    """
    stored = load_backbone(path)
    return DenseBackbone(stored.network, tap_norm=tap_norm, frozen=frozen), stored
