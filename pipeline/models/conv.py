"""Convolutions of the dense heads: with a bias, and with batch norm."""

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.models.batch_norm import BatchNorm2d
from pipeline.ranks.whole_batch import sharing_ranks


class Conv2d(nn.Conv2d):
    """k x k convolution with a bias; the padding keeps the size."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int):
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def execute(self, x: jt.Var) -> jt.Var:
        """x (B, in, h, w) -> (B, out, h, w)."""
        return kernels.convolution(x, self.weight, self.bias, channels_first=True)


class ConvNorm(nn.Module):
    """k x k convolution without bias, batch norm, ReLU; the padding keeps the size at stride 1."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1):
        super().__init__()
        padding = kernel_size // 2
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False)
        self.norm = BatchNorm2d(out_channels)

    def execute(self, x: jt.Var) -> jt.Var:
        """x (B, in, h, w) -> (B, out, h / stride, w / stride)."""
        conv, norm = self.conv, self.norm
        if norm.is_train and sharing_ranks().count > 1:
            return nn.relu(norm(conv(x)))
        given = kernels.Norm(norm.weight, norm.bias, norm.running_mean, norm.running_var)
        options = {"stride": conv.stride[0], "eps": norm.eps}
        if not norm.is_train:
            return kernels.conv_known_norm_relu(x, conv.weight, given, **options)
        y, running = kernels.conv_norm_relu(x, conv.weight, given, **options, momentum=norm.momentum)
        norm.running_mean.update(running[0])
        norm.running_var.update(running[1])
        return y


class PointwiseConv(Conv2d):
    """1 x 1 convolution with a bias, as a linear layer, which others have compiled already."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(in_channels, out_channels, 1)

    def execute(self, x: jt.Var) -> jt.Var:
        """x (B, in, h, w) -> (B, out, h, w)."""
        weight = self.weight.reshape(self.weight.shape[:2])
        return kernels.linear(x.permute(0, 2, 3, 1), weight, self.bias).permute(0, 3, 1, 2)
