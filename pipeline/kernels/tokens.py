"""Builds a transformer's tokens from patches."""

import jittor as jt

from pipeline.kernels import selection
from pipeline.kernels.operator import Operator, call


def tokens(
    patches: jt.Var,
    cls_token: jt.Var,
    positions: jt.Var,
    mask: jt.Var | None = None,
    mask_token: jt.Var | None = None,
) -> jt.Var:
    """CLS token and patches, some of them replaced by the mask token, with position embeddings added.

    Args:
        patches: (B, N, D).
        cls_token, mask_token: (1, D).
        positions: (1 + N, D), CLS first.
        mask: (B, N) bool, True: replaced; None: no patch is.

    Returns:
        (B, 1 + N, D).

    Raises:
        ValueError: the shapes do not fit.
    """
    batch, num_patches, dim = patches.shape
    fits = tuple(positions.shape) == (1 + num_patches, dim) and tuple(cls_token.shape) == (1, dim)
    if mask is not None:
        fits = fits and tuple(mask.shape) == (batch, num_patches) and tuple(mask_token.shape) == (1, dim)
    if not fits:
        found = f"patches {tuple(patches.shape)}, positions {tuple(positions.shape)}"
        if mask is not None:
            found += f", mask {tuple(mask.shape)}"
        raise ValueError(f"tokens: {found}; expected (B, N, D), (1 + N, D), (B, N)")
    return (fused_tokens if selection.fused() else plain_tokens)(
        patches, cls_token, positions, mask, mask_token
    )


def plain_tokens(
    patches: jt.Var,
    cls_token: jt.Var,
    positions: jt.Var,
    mask: jt.Var | None,
    mask_token: jt.Var | None,
) -> jt.Var:
    batch, _, dim = patches.shape
    if mask is not None:
        # Not by assignment: in Jittor, assigning to an expression changes a copy.
        patches = jt.where(mask.reshape(batch, -1, 1), mask_token.reshape(1, 1, -1), patches)
    first = cls_token.reshape(1, 1, -1).broadcast((batch, 1, dim))
    return jt.concat([first, patches], dim=1) + positions.unsqueeze(0)


def fused_tokens(
    patches: jt.Var,
    cls_token: jt.Var,
    positions: jt.Var,
    mask: jt.Var | None,
    mask_token: jt.Var | None,
) -> jt.Var:
    hidden = () if mask is None else (mask_token, mask.stop_grad())
    return _Tokens()(patches, cls_token, positions, *hidden)


class _Tokens(Operator):
    def execute(self, patches: jt.Var, cls_token: jt.Var, positions: jt.Var, *hidden: jt.Var) -> jt.Var:
        """hidden: mask token and mask."""
        self.shape, self.mask = patches.shape, hidden[1:]
        batch, num_patches, dim = patches.shape
        mask = f"in3_p, {_MASK.format(4)}" if hidden else "nullptr, nullptr"
        arguments = f"in0_shape0, in0_shape1, in0_shape2, in0_p, in1_p, {mask}, in2_p, out0_p"
        inputs = [patches, cls_token, positions, *hidden]
        return call("tokens", arguments, inputs, (batch, 1 + num_patches, dim))

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        _, num_patches, dim = self.shape
        mask, mask_grad = (_MASK.format(1), "out3_p") if self.mask else ("nullptr", "nullptr")
        sizes = "out0_shape0, out0_shape1, out0_shape2"
        arguments = f"{sizes}, in0_p, {mask}, out0_p, out1_p, {mask_grad}, out2_p"
        shapes = [self.shape, (1, dim), (1 + num_patches, dim)] + [(1, dim)] * len(self.mask)
        gradients = call("tokens_gradient", arguments, [out_grad, *self.mask], *shapes)
        return *gradients, *[None] * len(self.mask)


_MASK = "(const unsigned char*)in{}_p"
