"""Losses of joint-embedding methods: how well vectors of different views of an image agree.

Shapes: rows are V views of B images, row v B + b being view v of image b; unit vectors with C channels. If
ranks share a batch, queries are of this rank's images and are compared with the keys of all ranks.
"""

from dataclasses import dataclass
from itertools import permutations

import jittor as jt
import numpy as np

from pipeline import kernels
from pipeline.pretrain.pairs import cls_pairs
from pipeline.ranks.whole_batch import gather_over_ranks, sharing_ranks

_NEVER = -1e4  # replaces a cosine; its exponential is 0 at any temperature


@dataclass(frozen=True)
class Agreement:
    """A loss (1,) and, if contrastive, the share of queries whose closest key is of their own image."""

    loss: jt.Var
    retrieval: jt.Var | None = None  # (1,), in 0..1, no gradient


def info_nce(queries: jt.Var, keys: jt.Var, num_views: int, temperature: float) -> Agreement:
    """MoCo v3's contrastive loss: the query of a view is matched with the key of another view of its image.

        L = 2 mean over pairs of views (v, q), v != q, of 2 T CE(softmax(query_v . key_q / T), same image)

    Args:
        queries: (V B, C), with gradient.
        keys: (V B, C), without gradient.

    Source: Chen et al. 2021, algorithm 1 (two views: the sum of both orders; 2 T as there). More than two
    views: the mean over their pairs, this project's own.
    """
    size = queries.shape[0] // num_views
    ranks = sharing_ranks()
    labels, losses, retrievals = np.eye(ranks.count * size, dtype=np.float32), [], []
    labels = labels[ranks.share(len(labels))]
    of_all = [gather_over_ranks(_view(keys.detach(), view, size)) for view in range(num_views)]
    for query_view, key_view in permutations(range(num_views), 2):
        cosines = kernels.linear(_view(queries, query_view, size), of_all[key_view], None)
        losses.append(2 * temperature * _cross_entropy(cosines, labels, temperature))
        retrievals.append(_retrieval(cosines, labels))
    return Agreement(2 * sum(losses) / len(losses), sum(retrievals) / len(retrievals))


def nt_xent(queries: jt.Var, keys: jt.Var, num_views: int, temperature: float) -> Agreement:
    """SimCLR's loss: a view is matched with the other views of its image, among all other rows of the batch.

        L = mean over rows i, and over other views j of its image, of
            - log(exp(query_i . key_j / T) / sum over k != i of exp(query_i . key_k / T))

    Args:
        queries, keys: (V B, C); both with gradient. In SimCLR they are equal.

    Source: Chen et al. 2020, equation 1.
    """
    size, ranks = queries.shape[0] // num_views, sharing_ranks()
    if ranks.count > 1:
        keys = jt.concat([gather_over_ranks(_view(keys, view, size)) for view in range(num_views)], dim=0)
    all_images = ranks.count * size
    rows, own = np.arange(num_views * all_images), np.arange(all_images)[ranks.share(all_images)]
    queried = (np.arange(num_views)[:, None] * all_images + own).reshape(-1, 1)  # rows of the queries
    same_image = queried % all_images == rows % all_images
    positives = (same_image & (queried != rows)).astype(np.float32) / (num_views - 1)
    itself = jt.array(queried == rows)
    cosines = kernels.linear(queries, keys, None)
    cosines = jt.where(itself, jt.full_like(cosines, _NEVER), cosines)
    return Agreement(_cross_entropy(cosines, positives, temperature), _retrieval(cosines, positives))


def squared_distance(queries: jt.Var, targets: jt.Var, num_views: int) -> Agreement:
    """BYOL's loss: 2 mean over pairs of views (v, q), v != q, and images of |query_v - target_q|^2.

    Args:
        queries: (V B, C), with gradient.
        targets: (V B, C), without gradient.

    Source: Grill et al. 2020, equation 2, the sum of both orders of two views.
    """
    pairs = cls_pairs(num_views, num_views, queries.shape[0] // num_views)
    ours = kernels.gather_rows(queries, jt.array(pairs.student_rows))
    theirs = kernels.gather_rows(targets.detach(), jt.array(pairs.teacher_rows))
    # For unit vectors, |a - b|^2 = 2 - 2 a . b.
    return Agreement(4 - 4 * kernels.sum_of_all(ours * theirs) / len(pairs.student_rows))


def _view(rows: jt.Var, index: int, size: int) -> jt.Var:
    return rows[index * size : (index + 1) * size]


def _cross_entropy(cosines: jt.Var, targets: np.ndarray, temperature: float) -> jt.Var:
    """Mean over rows, with a log-sum-exp that subtracts each row's maximum."""
    own = jt.array(np.arange(len(targets), dtype=np.int32))
    weights = jt.array(np.full(len(targets), 1 / len(targets), np.float32))
    return kernels.soft_cross_entropy(cosines, jt.array(targets), own, own, weights, temperature)


def _retrieval(cosines: jt.Var, positives: np.ndarray) -> jt.Var:
    """Share of rows whose largest entry is a positive one."""
    cosines = cosines.detach()
    best = jt.where(jt.array(positives > 0), cosines, jt.full_like(cosines, 2 * _NEVER)).max(dim=1)
    found = (best >= cosines.max(dim=1)).float32()
    return (kernels.sum_of_all(found) / len(positives)).stop_grad()
