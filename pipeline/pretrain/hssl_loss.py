"""The HSSL objective of one batch.

    L = 0.5 * cls_weight * (L_het + L_aux) + patch_weight * L_mim

L_het: the head's teacher supervises the base; L_aux: it supervises the head; L_mim: the base's teacher
supervises the base on hidden patches. Without auxiliary head the first two become the one CLS term of iBOT,
with weight cls_weight (in the official code the halves sum to the same factor).

The result is that of the official code, with less work: prototype logits are computed only for hidden patches
and CLS vectors, and the patch centre from the mean bottleneck vector (the mean of a linear layer's outputs is
its output for the mean). A batch norm in the projection head would then see other rows: with it, all base
tokens of a pass are projected together. The auxiliary head's patches are not, so its batch norm sees only its
CLS vectors: this project's choice.
"""

from dataclasses import dataclass
from functools import cached_property

import jittor as jt
import numpy as np

from pipeline import kernels
from pipeline.config.models import ObjectiveConfig
from pipeline.models.encoder import NO_PATCHES
from pipeline.models.hssl import Encoding, HSSLNetwork
from pipeline.models.projection_head import ProjectionHead, logits
from pipeline.optim.schedules import Rates
from pipeline.pretrain.batch import Batch
from pipeline.pretrain.centers import Centers
from pipeline.pretrain.drop_path_masks import DropPathMasks
from pipeline.pretrain.pairs import MaskedPatches, Pairs, cls_pairs, cross_entropy, masked_patches
from pipeline.pretrain.upload import as_variable
from pipeline.training.losses import Losses


@dataclass(frozen=True)
class Targets:
    """The teacher's output for a batch; no gradient."""

    cls_probs: jt.Var  # (V B, K)
    hidden: MaskedPatches | None  # the patches of the masked-image loss
    patch_probs: "PatchProbabilities | None"  # of the hidden patches
    mean_cls_logits: jt.Var  # (K,)
    mean_patch_logits: jt.Var | None  # (K',); K' = K unless patches have their own prototypes
    features: jt.Var  # (V B, D) CLS tokens of the base, for monitoring


def teacher_targets(
    teacher: HSSLNetwork, batch: Batch, centers: Centers, rates: Rates, *, patches: bool
) -> Targets:
    """Run the teacher on the global crops, unmasked: centred and sharpened distributions."""
    with jt.no_grad():
        head = teacher.projection_head
        prototypes = head.unit_prototypes()
        patch_prototypes = _patch_prototypes(head, prototypes)
        chosen = None if patches or head.norms_rows else NO_PATCHES
        encoding = teacher.encode(as_variable(batch.flat_global_crops), chosen=chosen)
        cls_logits = logits(_cls_vectors(head, encoding), prototypes)
        hidden = patch_probs = mean_patch_logits = None
        if patches:
            hidden = masked_patches(batch.masks)
            vectors = _patch_vectors(head, encoding)
            mean_patch_logits = logits(_mean(vectors).unsqueeze(0), patch_prototypes)[0]
            hidden_vectors = kernels.gather_rows(vectors, jt.array(hidden.rows))
            patch_probs = PatchProbabilities(head, hidden_vectors, centers.patch, rates.patch_temperature)
        return Targets(
            cls_probs=kernels.teacher_probabilities(cls_logits, centers.cls, rates.teacher_temperature),
            hidden=hidden,
            patch_probs=patch_probs,
            mean_cls_logits=_mean(cls_logits),
            mean_patch_logits=mean_patch_logits,
            features=encoding.base_cls,
        )


class PatchProbabilities:
    """The teacher's distributions of hidden patches, computed for some of them when they are compared.

    All at once would be the largest tensor of a step.
    """

    def __init__(self, head: ProjectionHead, vectors: jt.Var, center: jt.Var, temperature: float):
        """vectors (P, C), center (K',)."""
        self._head, self._vectors, self._center, self._temperature = head, vectors, center, temperature

    def __call__(self, first: int, end: int) -> jt.Var:
        """(end - first, K')."""
        with jt.no_grad():
            patch_logits = logits(self._vectors[first:end], self._prototypes)
            return kernels.teacher_probabilities(patch_logits, self._center, self._temperature)

    @cached_property
    def _prototypes(self) -> jt.Var:
        return _patch_prototypes(self._head, self._head.unit_prototypes())


@dataclass(frozen=True)
class StudentVectors:
    """The student's tokens after projection, unit vectors that are compared with prototypes."""

    base_cls: jt.Var  # (V B + L B, C), global crops first
    auxiliary_cls: jt.Var | None  # (V B + L B, C), likewise
    hidden_patches: jt.Var | None  # (P, C), of the base


def hssl_losses(
    student: HSSLNetwork, batch: Batch, targets: Targets, drop_path: DropPathMasks, config: ObjectiveConfig
) -> Losses:
    """The loss terms of the student on one batch, in nats: base_cls, auxiliary_cls, base_patch.

    Source: HSSL released code (PretrainLoss). L_het and L_aux: mean over pairs of different views; L_mim:
    mean over crops of the mean over hidden patches of the same view.
    """
    head, temperature = student.projection_head, config.student_temperature
    prototypes = head.unit_prototypes()
    num_global, num_images = batch.masks.shape[:2]
    masks = jt.array(batch.flat_masks) if config.patches_hidden else None
    hidden = NO_PATCHES if targets.hidden is None else targets.hidden.rows
    # A batch norm in the projection sees all patches.
    of_global, of_local = (None, None) if head.norms_rows else (hidden, NO_PATCHES)
    encodings = [
        student.encode(as_variable(batch.flat_global_crops), masks, drop_path.global_crops, chosen=of_global)
    ]
    if len(batch.local_crops):
        local = as_variable(batch.flat_local_crops)
        encodings.append(student.encode(local, None, drop_path.local_crops, chosen=of_local))
    vectors = student_vectors(head, encodings, targets.hidden)
    pairs = cls_pairs(num_global, num_global + len(batch.local_crops), num_images)

    l_het = cross_entropy(vectors.base_cls, prototypes, targets.cls_probs, pairs, temperature)
    terms, cls_loss = {"base_cls": l_het}, l_het
    if vectors.auxiliary_cls is not None:
        l_aux = cross_entropy(vectors.auxiliary_cls, prototypes, targets.cls_probs, pairs, temperature)
        terms["auxiliary_cls"] = l_aux
        cls_loss = 0.5 * (l_het + l_aux)
    total = config.cls_weight * cls_loss
    if targets.hidden is not None:
        own = np.arange(len(targets.hidden.rows), dtype=np.int32)  # each patch with itself
        l_mim = cross_entropy(
            vectors.hidden_patches,
            _patch_prototypes(head, prototypes),
            targets.patch_probs,
            Pairs(own, own, targets.hidden.weights),
            temperature,
        )
        terms["base_patch"] = l_mim
        total = total + config.patch_weight * l_mim
    return Losses(total, terms)


def student_vectors(
    head: ProjectionHead, encodings: list[Encoding], hidden: MaskedPatches | None
) -> StudentVectors:
    """Project the tokens of the student's passes, the one over global crops first.

    Args:
        encodings: with the hidden patches alone, or with all of them if a batch norm sees them.
        hidden: the hidden patches, if they have a loss.
    """
    auxiliary_cls = [encoding.auxiliary_cls for encoding in encodings]
    has_auxiliary, hidden_patches = head.auxiliary is not None, None
    if head.norms_rows:  # each pass is one batch for the norm, as in the teacher
        passes = [head.base_tokens(encoding.base_cls, encoding.base_patches) for encoding in encodings]
        base = _joined([cls for cls, _ in passes])
        auxiliary = _joined([head.auxiliary(cls) for cls in auxiliary_cls]) if has_auxiliary else None
        if hidden is not None:
            hidden_patches = kernels.gather_rows(passes[0][1], jt.array(hidden.rows))
    else:
        # In one pass: each pass would have gradients of the whole MLP.
        rows = [encoding.base_cls for encoding in encodings]
        num_cls = sum(len(cls) for cls in rows)
        if hidden is not None:
            rows.append(encodings[0].base_patches)
        base = head.base(_joined(rows))
        if hidden is not None:
            base, hidden_patches = base[:num_cls], base[num_cls:]
        auxiliary = head.auxiliary(_joined(auxiliary_cls)) if has_auxiliary else None
    return StudentVectors(base, auxiliary, hidden_patches)


def _cls_vectors(head: ProjectionHead, encoding: Encoding) -> jt.Var:
    """Unit vectors of the CLS token that teaches: the auxiliary head's if there is one, else the base's."""
    if head.auxiliary is not None:
        return head.auxiliary(encoding.auxiliary_cls)
    if head.norms_rows:
        return head.base_tokens(encoding.base_cls, encoding.base_patches)[0]
    return head.base(encoding.base_cls)


def _patch_vectors(head: ProjectionHead, encoding: Encoding) -> jt.Var:
    """(B N, C) unit vectors of all base patches of one pass."""
    if head.norms_rows:
        return head.base_tokens(encoding.base_cls, encoding.base_patches)[1]
    return head.base(_rows(encoding.base_patches))


def _patch_prototypes(head: ProjectionHead, prototypes: jt.Var) -> jt.Var:
    """The patches' own prototypes if there are any, else those of CLS."""
    own = head.unit_patch_prototypes()
    return prototypes if own is None else own


def _rows(tokens: jt.Var) -> jt.Var:
    """(B, N, D) -> (B N, D)."""
    return tokens.reshape(-1, tokens.shape[-1])


def _joined(rows: list[jt.Var]) -> jt.Var:
    return rows[0] if len(rows) == 1 else jt.concat(rows, dim=0)


def _mean(rows: jt.Var) -> jt.Var:
    """(M, C) -> (C,)."""
    return kernels.mean_positions(rows.unsqueeze(0))[0]
