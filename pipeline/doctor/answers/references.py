"""The formulas of the kernels in NumPy and float64.

Shapes as in the kernels of the same names in `pipeline.kernels`.
"""

from collections.abc import Callable
from math import erf

import numpy as np

_erf = np.vectorize(erf, otypes=[np.float64])


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | float = 0.0) -> np.ndarray:
    return x @ weight.T + bias


def gelu(z: np.ndarray) -> np.ndarray:
    return z * 0.5 * (1 + _erf(z / np.sqrt(2)))


def mlp(x, expand, expand_bias, contract, contract_bias) -> np.ndarray:
    return linear(gelu(linear(x, expand, expand_bias)), contract, contract_bias)


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float = 1e-6) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt(np.square(centred).mean(-1, keepdims=True) + eps) * weight + bias


def l2_normalize(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def attention(qkv: np.ndarray, num_heads: int) -> np.ndarray:
    batch, tokens, channels = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    depth = channels // num_heads
    query, key, value = qkv.reshape(batch, tokens, 3, num_heads, depth).transpose(2, 0, 3, 1, 4)
    weights = softmax(query @ key.transpose(0, 1, 3, 2) / np.sqrt(depth))
    return (weights @ value).transpose(0, 2, 1, 3).reshape(batch, tokens, channels)


def transformer_block(num_heads: int, scales: np.ndarray) -> Callable[..., np.ndarray]:
    """The block with the branch scales (2, B), as a function of x and the twelve weights."""

    def block(x, n1w, n1b, qkv_w, qkv_b, out_w, out_b, n2w, n2b, *layers) -> np.ndarray:
        mixed = attention(linear(layer_norm(x, n1w, n1b), qkv_w, qkv_b), num_heads)
        x = x + scales[0][:, None, None] * linear(mixed, out_w, out_b)
        return x + scales[1][:, None, None] * mlp(layer_norm(x, n2w, n2b), *layers)

    return block


def depthwise_conv(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    side, (height, width) = len(weight), x.shape[1:3]
    wide = np.pad(x, ((0, 0), (side // 2,) * 2, (side // 2,) * 2, (0, 0)))
    out = np.zeros_like(x) + bias
    for i in range(side):
        for j in range(side):
            out += wide[:, i : i + height, j : j + width] * weight[i, j]
    return out


def convolution(x: np.ndarray, weight: np.ndarray, stride: int = 1) -> np.ndarray:
    """x (B, C, H, W) with k // 2 zeros around it, weight (O, C, k, k)."""
    side = weight.shape[2]
    wide = np.pad(x, ((0, 0), (0, 0), (side // 2,) * 2, (side // 2,) * 2))
    height, width = ((size - side) // stride + 1 for size in wide.shape[2:])
    out = np.zeros((len(x), len(weight), height, width))
    for i in range(side):
        for j in range(side):
            seen = wide[:, :, i : i + stride * height : stride, j : j + stride * width : stride]
            out += np.einsum("bchw,oc->bohw", seen[:, :, :height, :width], weight[:, :, i, j])
    return out


def biased_conv(sizes, *, relu: bool) -> Callable[..., np.ndarray]:
    """Convolutions of the maps of a table, as a function of the table, all weights and all biases."""

    def convolved(x: np.ndarray, *layers: np.ndarray) -> np.ndarray:
        count, found, start = len(layers) // 2, [], 0
        for index, (batch, height, width) in enumerate(sizes):
            end = start + batch * height * width
            maps = x[start:end].reshape(batch, height, width, -1).transpose(0, 3, 1, 2)
            weight, bias = (layers[first + index % count] for first in (0, count))
            y = convolution(maps, weight) + bias[:, None, None]
            found.append(y.transpose(0, 2, 3, 1).reshape(end - start, -1))
            start = end
        y = np.concatenate(found)
        return np.maximum(y, 0) if relu else y

    return convolved


def relu_layers(num_hidden: int) -> Callable[..., list[np.ndarray]]:
    """Outputs of all heads, or the hidden values, as a function of x, all weights and all biases."""

    def outputs(x: np.ndarray, *layers: np.ndarray) -> list[np.ndarray]:
        pairs = list(zip(layers[: len(layers) // 2], layers[len(layers) // 2 :], strict=True))
        for pair in pairs[:num_hidden]:
            x = np.maximum(linear(x, *pair), 0)
        return [linear(x, *pair) for pair in pairs[num_hidden:]] or [x]

    return outputs


def class_products(classes: np.ndarray) -> Callable[..., np.ndarray]:
    """Products with the weights of each box's class, as a function of features, weights and biases."""
    return lambda x, weight, bias: np.einsum("npc,nc->np", x, weight[classes]) + bias[classes][:, None]


def top_down(*maps: np.ndarray) -> np.ndarray:
    sums = list(maps)
    for index in reversed(range(len(sums) - 1)):
        height, width = sums[index].shape[1:3]
        sums[index] = sums[index] + sums[index + 1].repeat(2, 1).repeat(2, 2)[:, :height, :width]
    return np.concatenate([x.reshape(-1, x.shape[3]) for x in sums])


def batch_norm(x, scale, shift, eps, mean=None, variance=None) -> np.ndarray:
    """With the statistics of the batch, unless they are given."""
    mean = x.mean((0, 2, 3)) if mean is None else mean
    deviation = np.sqrt((x.var((0, 2, 3)) if variance is None else variance) + eps)
    mean, deviation, scale, shift = (a.reshape(-1, 1, 1) for a in (mean, deviation, scale, shift))
    return (x - mean) / deviation * scale + shift


def conv_norm_relu(x, weight, scale, shift, eps, mean=None, variance=None, stride: int = 1) -> np.ndarray:
    return np.maximum(batch_norm(convolution(x, weight, stride), scale, shift, eps, mean, variance), 0)


def max_halved(x: np.ndarray) -> np.ndarray:
    wide = np.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)), constant_values=-np.inf)
    height, width = wide.shape[1] // 2, wide.shape[2] // 2
    return wide.reshape(len(x), height, 2, width, 2, x.shape[3]).max((2, 4))


def soft_cross_entropy(probs, student_rows, teacher_rows, weights, temperature) -> Callable[..., np.ndarray]:
    """The loss, shape (1,), as a function of the student's logits."""

    def loss(logits: np.ndarray) -> np.ndarray:
        log_probs = np.log(softmax(logits / temperature))
        each = -(probs[teacher_rows] * log_probs[student_rows]).sum(1)
        return np.array([(weights * each).sum()])

    return loss


def image_patches(side: int) -> Callable[..., np.ndarray]:
    """Patches of side x side pixels, as a function of the images."""

    def patches(images: np.ndarray) -> np.ndarray:
        rows, columns = images.shape[2] // side, images.shape[3] // side
        squares = [
            images[:, :, side * row : side * (row + 1), side * column : side * (column + 1)]
            for row in range(rows)
            for column in range(columns)
        ]
        return np.stack([square.reshape(len(images), -1) for square in squares], axis=1)

    return patches


def tokens(mask: np.ndarray) -> Callable[..., np.ndarray]:
    """Tokens with this mask, as a function of patches, CLS token, positions and mask token."""

    def joined(patches, cls_token, positions, mask_token) -> np.ndarray:
        shown = np.where(mask[..., None], mask_token, patches)
        first = np.broadcast_to(cls_token, (len(patches), 1, patches.shape[2]))
        return np.concatenate([first, shown], axis=1) + positions

    return joined


def pixel_cross_entropy(labels: np.ndarray, count: float) -> Callable[..., np.ndarray]:
    """Cross-entropy with labels (B, H, W), negative where ignored, as a function of logits (B, K, H, W)."""

    def loss(logits: np.ndarray) -> np.ndarray:
        log_probs = np.log(softmax(np.moveaxis(logits, 1, -1)))
        chosen = np.take_along_axis(log_probs, np.maximum(labels, 0)[..., None], axis=-1)[..., 0]
        return np.array([-chosen[labels >= 0].sum() / count])

    return loss


def resample(rows: np.ndarray, columns: np.ndarray) -> Callable[..., np.ndarray]:
    """Multiplication by a matrix along each axis, as a function of the maps (B, C, H, W)."""
    return lambda x: rows @ x @ columns.T


def pool_cells(rows, row_weights, columns, column_weights) -> Callable[..., np.ndarray]:
    """Weighted sums of cells, as a function of the table."""

    def pooled(table: np.ndarray) -> np.ndarray:
        cells = table[rows[:, :, None, :, None] + columns[:, None, :, None, :]]
        return np.einsum("nijabc,nia,njb->nijc", cells, row_weights, column_weights)

    return pooled


def adamw_step(
    values,
    gradients,
    moments,
    counts,
    *,
    lr,
    weight_decay,
    max_norm,
    decayed,
    lr_scales,
    betas,
    eps,
    frozen=(),
) -> None:
    """One AdamW step over lists of arrays, in place; arguments as in `pipeline.kernels.adamw.AdamW`."""
    for i, gradient in enumerate(gradients):
        if i in frozen:
            continue
        rate = lr * lr_scales[i]
        if max_norm:
            gradient = gradient * min(1.0, max_norm / (np.linalg.norm(gradient) + 1e-6))
        counts[i] += 1
        first, second = moments[i]
        first += (1 - betas[0]) * (gradient - first)
        second += (1 - betas[1]) * (gradient**2 - second)
        if decayed[i]:
            values[i] -= rate * weight_decay * values[i]
        root = np.sqrt(second / (1 - betas[1] ** counts[i]))
        values[i] -= rate * first / (1 - betas[0] ** counts[i]) / (root + eps)
