"""Assigns images to training, validation and test.

The source's parts decide. A test part is the test part. If there is only a validation part, it is the test
part (as ImageNet's is used), and validation images are held out of training. If there is only training data
with labels, both are held out: a share of each class, or of all images if they have label maps or objects.
Nothing is held out of unlabelled data.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.split_words import Role, role_of, stated_role

SPLITS = ("train", "val", "test", "unused")
TRAIN, VAL, TEST, UNUSED = range(4)


@dataclass(frozen=True)
class SplitPlan:
    """The split of every image."""

    codes: np.ndarray  # (n,) int8, index into SPLITS
    names: dict[str, str]  # train, val, test -> name in the source; only splits with images


def plan_splits(
    parts: np.ndarray,
    labels: np.ndarray,
    part_names: list[str | None],
    *,
    val_share: float,
    test_share: float,
    seed: int,
    stated: Mapping[str, Role] | None = None,
) -> SplitPlan:
    """Assign every image to a split.

    A test or validation part without any label beside labelled training images cannot test anything and is
    unused. A part with another name is training data. Every class keeps at least one training image.

    Args:
        parts: (n,) integers, index into `part_names`.
        labels: (n,) integers, -1 = none; 0 for every image that has a label map or objects, even no object.
        part_names: names of the source's parts; None for images without one.
        val_share: of the training part.
        test_share: of everything.
        seed: of the choice of held-out images.
        stated: `data.parts`.

    Raises:
        ValueError: no training part.
    """
    roles = np.array([_role(name, stated or {}) for name in part_names], dtype=np.int8)
    codes = roles[parts]
    if not np.any(codes == TRAIN):
        found = sorted(map(str, part_names))
        raise ValueError(
            f"no training images: expected a part for training, found only {', '.join(map(repr, found))}; "
            f'to train on it state data.parts = {{ "{found[0]}" = "train" }}'
        )
    is_labelled = bool(np.any(labels[codes == TRAIN] >= 0))
    for code in (VAL, TEST) if is_labelled else ():
        if not np.any(labels[codes == code] >= 0):
            codes[codes == code] = UNUSED
    held_out = {}
    if is_labelled:
        rng = np.random.default_rng(seed)
        if not np.any(codes == TEST) and np.any(codes == VAL):
            codes[codes == VAL] = TEST
        if not np.any(codes == TEST):
            held_out[TEST] = _hold_out(codes, labels, TEST, test_share, rng)
        if not np.any(codes == VAL):
            held_out[VAL] = _hold_out(codes, labels, VAL, val_share, rng)
    return SplitPlan(codes, _split_names(codes, parts, part_names, held_out))


def without_a_part(parts: np.ndarray, part_names: list[str | None], stated: Mapping[str, Role]) -> list[str]:
    """A line on images in no part, or in one whose name says nothing, beside parts with known names.

    They become training images. Arguments as in `plan_splits`.
    """
    of_words = [name for name in part_names if name and (stated_role(name, stated) or role_of(name))]
    others = [code for code, name in enumerate(part_names) if name not in of_words]
    if not of_words or not others:
        return []
    names = [name for code in others if (name := part_names[code])]
    of = f"the part {' and '.join(map(repr, names))}" if names else "no part"
    key = f'; data.parts = {{ "{names[0]}" = "unused" }} leaves them out' if names else ""
    count = int(np.isin(parts, others).sum())
    return [
        f"caution: {count} images of {of} are taken for training images, beside the "
        f"parts {', '.join(sorted(of_words))}{key}"
    ]


def _role(name: str | None, stated: Mapping[str, Role]) -> int:
    role = None if name is None else stated_role(name, stated) or role_of(name)
    return SPLITS.index(role) if role in SPLITS else TRAIN


def _hold_out(
    codes: np.ndarray, labels: np.ndarray, into: int, share: float, rng: np.random.Generator
) -> bool:
    """Move a stratified share of the labelled training images `into` a split, in place; False: none moved."""
    rows = np.flatnonzero((codes == TRAIN) & (labels >= 0))
    classes, counts = np.unique(labels[rows], return_counts=True)
    # Rounded by largest remainder, so that many small classes do not all round to nothing.
    exact = share * counts
    quota = np.floor(exact).astype(np.int64)
    missing = round(float(exact.sum())) - int(quota.sum())
    by_remainder = np.lexsort((rng.random(len(classes)), -(exact - quota)))
    quota[by_remainder[:missing]] += 1
    quota = np.minimum(quota, counts - 1)
    # Sorted by (class, random number); then the first `quota` of each class.
    shuffled = rows[np.lexsort((rng.random(len(rows)), labels[rows]))]
    rank = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    codes[shuffled[rank < np.repeat(quota, counts)]] = into
    return bool(quota.sum())


def _split_names(
    codes: np.ndarray, parts: np.ndarray, part_names: list[str | None], held_out: dict[int, bool]
) -> dict[str, str]:
    names = {}
    for code in (TRAIN, VAL, TEST):
        found = np.unique(parts[codes == code])
        if len(found):
            words = " + ".join(sorted(part_names[part] or "all images" for part in found))
            names[SPLITS[code]] = f"{words} (held out)" if held_out.get(code) else words
    return names
