"""Sums over images and positions, one for every channel, and operators whose gradients are such sums.

On a device Jittor's own sums over these axes, and the gradients of what it broadcasts along them, add by
atomics: two runs need not have the same bits. These have a fixed order.
"""

from collections.abc import Callable
from typing import NamedTuple

import jittor as jt

from pipeline.kernels import selection
from pipeline.kernels.operator import Operator, call

_DIMS = [0, 2, 3]


class Sharing(NamedTuple):
    """How a batch norm's statistics become those of a batch that several processes share."""

    total: Callable[[jt.Var], jt.Var]  # the sum over processes, of float32 in any shape; in both passes
    count: float  # numbers of a channel in all processes


def add_to_channels(x: jt.Var, bias: jt.Var) -> jt.Var:
    """x (B, C, H, W) + bias (C,).

    Raises:
        ValueError: the shapes do not fit.
    """
    _check("add_to_channels", x, bias)
    return _AddToChannels()(x, bias) if selection.on_device() else x + bias.broadcast(x, _DIMS)


def batch_norm(
    x: jt.Var, scale: jt.Var, shift: jt.Var, eps: float, sharing: Sharing | None = None
) -> tuple[jt.Var, jt.Var, jt.Var]:
    """Batch norm with the statistics of x.

    Args:
        x: (B, C, H, W).
        scale, shift: (C,).
        eps: added to the variance.
        sharing: x is this process's share of a batch, B may differ among them; None: it is all of the batch.

    Returns:
        (B, C, H, W), and mean and biased variance (C,), through which no gradient goes.

    Raises:
        ValueError: the shapes do not fit.
    """
    _check("batch_norm", x, scale, shift)
    if selection.on_device():
        operator = _BatchNorm(eps, sharing)
        return operator(x, scale, shift), operator.mean.detach(), operator.variance.detach()
    mean, squares = jt.mean(x, dims=_DIMS), jt.mean(x * x, dims=_DIMS)
    if sharing is not None:
        share = x.numel() // x.shape[1] / sharing.count
        means = sharing.total(jt.stack([mean, squares]) * share)
        mean, squares = means[0], means[1]
    variance = (squares - mean * mean).maximum(0.0)
    factor = scale / jt.sqrt(variance + eps)
    y = x * factor.broadcast(x, _DIMS) + (shift - mean * factor).broadcast(x, _DIMS)
    return y, mean.detach(), variance.detach()


def scale_channels(
    x: jt.Var, scale: jt.Var, shift: jt.Var | None = None, *, channels_first: bool = False
) -> jt.Var:
    """x scale + shift, for every channel its own.

    Args:
        x: (..., C), or (B, C, H, W).
        scale, shift: (C,); None: no shift.
        channels_first: order of x.

    Raises:
        ValueError: the shapes do not fit.
    """
    given = [scale] if shift is None else [scale, shift]
    maps = x if channels_first else x.reshape(-1, x.shape[-1], 1, 1)
    _check("scale_channels", maps, *given)
    if selection.on_device():
        return _ScaleChannels()(maps, *given).reshape(x.shape)
    scale, *shifts = (each.reshape(1, -1, 1, 1) if channels_first else each for each in given)
    return x * scale + shifts[0] if shifts else x * scale


def with_token(x: jt.Var, hidden: jt.Var, token: jt.Var, *, channels_first: bool = False) -> jt.Var:
    """x, and the token where it is hidden.

    Args:
        x: (..., C), or (B, C, H, W).
        hidden: bool, of the shape of x with one channel.
        token: (C,).
        channels_first: order of x.

    Raises:
        ValueError: the shapes do not fit.
    """
    maps = x if channels_first else x.reshape(-1, x.shape[-1], 1, 1)
    _check("with_token", maps, token)
    one = [*x.shape]
    one[1 if channels_first else -1] = 1
    if tuple(hidden.shape) != tuple(one):
        raise ValueError(f"with_token: hidden {tuple(hidden.shape)}; expected {tuple(one)}")
    if selection.on_device():
        return jt.where(hidden, _AddToChannels()(jt.zeros_like(maps), token).reshape(x.shape), x)
    shape = (1, -1, 1, 1) if channels_first else (1,) * (x.ndim - 1) + (-1,)
    return jt.where(hidden, token.reshape(shape), x)


def sum_of_all(x: jt.Var) -> jt.Var:
    """The sum of all numbers of x, in any shape: (1,).

    Raises:
        ValueError: x is empty.
    """
    if x.numel() == 0:
        raise ValueError(f"sum_of_all: x {tuple(x.shape)}; expected numbers")
    return _SumOfAll()(x) if selection.on_device() else x.sum()


def _check(name: str, x: jt.Var, *of_channels: jt.Var) -> None:
    found = [tuple(each.shape) for each in of_channels]
    if x.ndim != 4 or x.numel() == 0 or set(found) != {(x.shape[1],)}:
        raise ValueError(f"{name}: x {tuple(x.shape)}, of channels {found}; expected (B, C, H, W), (C,)")


def _sums(x: jt.Var) -> jt.Var:
    """x (B, C, H, W) -> (C,)."""
    arguments = "in0_shape0, in0_shape1, in0_shape2 * in0_shape3, in0_p, out0_p"
    return call("channel_sums", arguments, [x], (x.shape[1],))


class _AddToChannels(Operator):
    def execute(self, x: jt.Var, bias: jt.Var) -> jt.Var:
        return x + bias.broadcast(x, _DIMS)

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var, jt.Var]:
        return out_grad, _sums(out_grad)


class _ScaleChannels(Operator):
    def execute(self, x: jt.Var, scale: jt.Var, *shift: jt.Var) -> jt.Var:
        self.saved, self._shifted = (x, scale), bool(shift)
        y = x * scale.broadcast(x, _DIMS)
        return y + shift[0].broadcast(x, _DIMS) if shift else y

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var, ...]:
        x, scale = self.saved
        found = out_grad * scale.broadcast(x, _DIMS), _sums(out_grad * x)
        return (*found, _sums(out_grad)) if self._shifted else found


class _SumOfAll(Operator):
    def execute(self, x: jt.Var) -> jt.Var:
        self.shape = x.shape
        return _sums(x.reshape(1, 1, -1, 1))

    def grad(self, out_grad: jt.Var) -> jt.Var:
        return out_grad.broadcast(self.shape)


class _BatchNorm(Operator):
    """`mean` and `variance` are those of the batch once it was called."""

    def __init__(self, eps: float, sharing: Sharing | None):
        super().__init__()
        self._eps, self._sharing = eps, sharing

    def execute(self, x: jt.Var, scale: jt.Var, shift: jt.Var) -> jt.Var:
        self._total, self._count = self._sharing or Sharing(lambda own: own, x.numel() // x.shape[1])
        self.mean = self._total(_sums(x)) / self._count
        centred = x - self.mean.broadcast(x, _DIMS)
        self.variance = self._total(_sums(centred * centred)) / self._count
        self._slope = 1.0 / jt.sqrt(self.variance + self._eps)
        self.saved = x, scale
        factor = scale * self._slope
        return centred * factor.broadcast(x, _DIMS) + shift.broadcast(x, _DIMS)

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var, jt.Var, jt.Var]:
        x, scale = self.saved
        normed = (x - self.mean.broadcast(x, _DIMS)) * self._slope.broadcast(x, _DIMS)
        # The parameters' gradients are this process's own: it is the mean of them that trains.
        shift_grad, scale_grad = _sums(out_grad), _sums(out_grad * normed)
        of_shift, of_scale = shift_grad, scale_grad
        if self._sharing is not None:
            totals = self._total(jt.stack([shift_grad, scale_grad]))
            of_shift, of_scale = totals[0], totals[1]
        along = of_shift.broadcast(x, _DIMS) + normed * of_scale.broadcast(x, _DIMS)
        x_grad = (out_grad - along / self._count) * (scale * self._slope).broadcast(x, _DIMS)
        return x_grad, scale_grad, shift_grad
