"""Convolution with batch norm, the building block of the dense heads."""

import jittor as jt
from jittor import nn

from pipeline.models.batch_norm import BatchNorm2d


class ConvNorm(nn.Module):
    """k x k convolution without bias, batch norm, ReLU; the padding keeps the size at stride 1."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1):
        super().__init__()
        padding = kernel_size // 2
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False)
        self.norm = BatchNorm2d(out_channels)

    def execute(self, x: jt.Var) -> jt.Var:
        """x (B, in, h, w) -> (B, out, h / stride, w / stride)."""
        return nn.relu(self.norm(self.conv(x)))
