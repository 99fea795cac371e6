"""Lists with an image and its label map on each line: train.txt, val.txt and test.txt."""

from pathlib import Path, PurePosixPath

from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.label_maps.source import Pair
from pipeline.datasets.text_files import text_of

_NAMES = ("train.txt", "val.txt", "valid.txt", "test.txt")


def lists_in(root: Path) -> list[Path]:
    """The lists of pairs in a folder: those that begin with images, and name a label map for one of them."""
    return [path for path in _candidates(root) if _holds_pairs(path)]


def _candidates(root: Path) -> list[Path]:
    return [path for name in _NAMES if (path := root / name).is_file()]


def listed_pairs(root: Path) -> list[Pair]:
    """The pairs of every list; the list's name is the split.

    Lists from other machines have absolute paths: as many leading folders are dropped as needed to find the
    first image of the list below `root`.

    Raises:
        ValueError: a list without a pair, a line that is not a pair, or a path that climbs out of the folder.
    """
    lists = lists_in(root)
    # Without this list another one would take its place, and be trained on.
    if dropped := [path for path in _candidates(root) if path not in lists]:
        words = " ".join(_first_words(dropped[0]))
        raise ValueError(
            f'{dropped[0]}: expected lines of "image label" as in {lists[0].name}, '
            f"found {repr(words) if words else 'an empty list'}"
        )
    return [pair for path in lists for pair in _pairs_of(root, path)]


def _pairs_of(root: Path, path: Path) -> list[Pair]:
    pairs: list[Pair] = []
    num_dropped = None
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        words = _words(line)
        if not words:
            continue
        if len(words) == 1 and is_image_name(words[0]):
            image = "/".join(_parts(words[0])[_num_leading(root, words[0]) :])
            pairs.append(Pair(path.stem, image, "", f"no label map: {path.name} names none for it"))
            continue
        if len(words) != 2 or any(".." in PurePosixPath(word).parts for word in words):
            raise ValueError(f'{path}: line {number}: expected "image label" in the folder, found {line!r}')
        if num_dropped is None:
            num_dropped = _num_leading(root, words[0])
        image, label_map = ("/".join(_parts(word)[num_dropped:]) for word in words)
        pairs.append(Pair(path.stem, image, label_map))
    return pairs


def _words(line: str) -> list[str]:
    """The paths of a line, separated by tabs if there are any, else by spaces; "/" for Windows' "\\"."""
    words = line.split("\t") if "\t" in line.strip() else line.split()
    return [word.strip().replace("\\", "/") for word in words if word.strip()]


def _num_leading(root: Path, path: str) -> int:
    """Number of leading folders of `path` to drop to find a file below `root`; 0 if none helps."""
    parts = _parts(path)
    return next((n for n in range(len(parts)) if root.joinpath(*parts[n:]).is_file()), 0)


def _parts(path: str) -> tuple[str, ...]:
    """The folders and the name of a path, without a leading "/"."""
    parts = PurePosixPath(path).parts
    return parts[1:] if parts and parts[0] == "/" else parts


def _holds_pairs(path: Path) -> bool:
    """Whether the first line with more than an image is a pair; "image number" lines name classes."""
    with open(path, encoding="utf-8-sig", errors="replace") as stream:
        for line in stream:
            words = _words(line)
            if words and not (len(words) == 1 and is_image_name(words[0])):
                return len(words) == 2 and all(map(is_image_name, words))
    return False


def _first_words(path: Path) -> list[str]:
    with open(path, encoding="utf-8-sig", errors="replace") as stream:
        return next((words for line in stream if (words := _words(line))), [])
