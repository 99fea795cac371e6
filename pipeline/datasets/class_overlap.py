"""Classes that only one of the parts has: no score can get these right, so the user is warned."""

from collections import defaultdict
from collections.abc import Sequence

_SHOWN = 8  # classes that a message lists


def untrained_images(class_counts: dict[str, list[int]]) -> int:
    """Number of test images of classes without a training image.

    Args:
        class_counts: split -> number of images of each class.
    """
    return sum(n for n, train in zip(class_counts["test"], class_counts["train"], strict=True) if not train)


def overlap_notes(class_names: Sequence[str], class_counts: dict[str, list[int]], unit: str) -> list[str]:
    """Lines about classes that one part has and the other lacks.

    Args:
        unit: what is counted, "images", "objects" or "pixels".

    Raises:
        ValueError: the training and the test part have no class in common.
    """
    parts = (class_counts[part] for part in ("train", "val", "test"))
    named = list(zip(class_names, *parts, strict=True))
    untrained = {name: test for name, train, _, test in named if test and not train}
    unknown = {name: val for name, train, val, _ in named if val and not train}
    untested = [name for name, train, _, test in named if train and not test]
    num_test = sum(class_counts["test"])
    if unit == "images" and num_test and sum(untrained.values()) == num_test:
        folder = next(iter(untrained))
        raise ValueError(
            f"expected a test part with the training part's classes, found none of them in it but "
            f"{_counted(untrained)}; where folders are no classes state data.class_folders = false, to leave "
            f'one out data.parts = {{ "{folder}" = "unused" }}'
        )
    lines = []
    for part, found in (("test", untrained), ("validation", unknown)):
        if found:
            of = num_test if part == "test" else sum(class_counts["val"])
            lines.append(
                f"caution: {sum(found.values())} of {of} {part} {unit} are of classes without "
                f"training {unit}: {_counted(found)}"
            )
    # A rare class of pixels or boxes is common; a class of whole images without any is someone's folder.
    if untested and num_test and unit == "images":
        shown = ", ".join(untested[:_SHOWN]) + ", ..." * (len(untested) > _SHOWN)
        lines.append(f"caution: {len(untested)} training classes have no test image: {shown}")
    if unit == "images" and not num_test:
        counts = [train for _, train, _, _ in named if train]
        if len(counts) > 2 and max(counts) == 1:
            lines.append(
                f"caution: each of the {len(counts)} classes has one image, so that none can be tested "
                "on: are the labels names of images?"
            )
    alike = defaultdict(list)
    for name in class_names:
        alike[name.casefold().strip()].append(name)
    if pairs := [", ".join(names) for names in alike.values() if len(names) > 1]:
        lines.append(f"caution: class names that differ in case or spaces only: {'; '.join(pairs[:_SHOWN])}")
    return lines


def _counted(counts: dict[str, int]) -> str:
    found = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {n}" for name, n in found[:_SHOWN]) + ", ..." * (len(found) > _SHOWN)
