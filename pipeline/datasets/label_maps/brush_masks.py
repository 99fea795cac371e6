"""Label Studio's brush masks, exported as PNG or NumPy: one file per task, annotation, label and region.

The names of the files, such as `task-1-annotation-101-by-<who>-<tag>-<label>-0.png`, contain no image's name.
The images are named in the project's JSON (or JSON-MIN) export, in the same folder or below it. Masks hold 0
and 255.

Source: label-studio-sdk 2.1.2, `label_studio_sdk.converter.brush`, which was run.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline.config.data import DataConfig
from pipeline.datasets.hidden import is_hidden
from pipeline.datasets.images_by_name import NO_IMAGE, ImagePath, images_by_name, locate
from pipeline.datasets.label_maps.brush_source import BACKGROUND, BrushImage, BrushSource
from pipeline.datasets.label_maps.brush_tasks import Task, read_tasks
from pipeline.datasets.label_maps.reading import LabelMapFormat
from pipeline.datasets.split_words import role_of
from pipeline.datasets.tree import walk
from pipeline.datasets.wrappers import below, below_wrappers

_NAME = re.compile(r"task-(\d+)(?:-annotation-(\d+))?-.+-\d+\.(png|npy)")
_SHOWN = 5  # tasks that a message lists


class BrushFile(NamedTuple):
    """One exported mask."""

    path: str
    annotation: int | None


def read_brush_masks(config: DataConfig, root: Path) -> BrushSource:
    """Read exported brush masks with the images named in the project's JSON export.

    Classes are the background and the sorted labels, unless the data section names them; without a class
    called "background", unpainted pixels are ignored. Tasks without annotation are skipped; tasks with
    several annotations are left out.

    Raises:
        ValueError: no masks, no JSON export, none of the images, or a label that `data.class_names` lacks.
    """
    inner = below_wrappers(root)
    masks = _mask_files(inner)
    if not masks:
        raise ValueError(f"{root}: expected {BRUSH_MASKS.layout}")
    for key in ("label_values", "ignored_labels"):
        if getattr(config, key):
            raise ValueError(f"data.{key}: masks of Label Studio have no values of their own")
    tasks = _tasks(inner, sorted(masks))
    labels = sorted(
        {label for task in tasks for regions in task.annotations.values() for _, label in regions}
    )
    names = config.class_names or (BACKGROUND, *(label for label in labels if label != BACKGROUND))
    if missing := [label for label in labels if label not in names]:
        raise ValueError(f"data.class_names: expected the label {missing[0]!r} too, found {list(names)}")
    by_name = {
        name: [path for path in paths if not _NAME.fullmatch(name)]
        for name, paths in images_by_name(inner).items()
    }
    annotated = [task for task in tasks if task.annotations]
    if not annotated:
        raise ValueError(f"{root}: expected annotated tasks in the project's JSON export, found none")
    images = [_image(task, masks.get(task.number, []), by_name, names) for task in annotated]
    if all(image.problem == NO_IMAGE for image in images):
        raise ValueError(
            f"{root}: expected the images of Label Studio's tasks below it, found none of {len(images)}, "
            f"such as {images[0].path!r}"
        )
    count = Counter(image.path for image in images)
    images = [
        image if count[image.path] == 1 else image._replace(problem="the image of several tasks")
        for image in images
    ]
    prefix = below(root, inner)
    images = [
        image._replace(
            path=prefix + image.path, masks=tuple((label, prefix + path) for label, path in image.masks)
        )
        for image in images
    ]
    return BrushSource(
        root, images, tuple(names), config.max_pixels, tuple(_notes(tasks, annotated, masks, names))
    )


def _mask_files(root: Path) -> dict[int, list[BrushFile]]:
    """Task -> its mask files; of a mask as PNG and as array, the PNG."""
    found: dict[int, dict[str, BrushFile]] = {}
    for folder, _, files in walk(root):
        start = f"{folder}/" if folder else ""
        for file in files:
            if match := _NAME.fullmatch(file.name):
                stem = PurePosixPath(file.name).stem
                known = found.setdefault(int(match[1]), {})
                if stem not in known or match[3] == "png":
                    known[stem] = BrushFile(start + file.name, int(match[2]) if match[2] else None)
    return {task: list(files.values()) for task, files in found.items()}


def _tasks(root: Path, numbers: list[int]) -> list[Task]:
    """The tasks of all json files of the project.

    Raises:
        ValueError: there is no such file, or it lacks a task that has masks.
    """
    tasks: dict[int, Task] = {}
    for folder, _, files in walk(root):
        for file in files:
            if file.name.lower().endswith(".json"):
                for task in read_tasks(root / folder / file.name) or []:
                    tasks.setdefault(task.number, task)
    if missing := [number for number in numbers if number not in tasks]:
        shown = ", ".join(map(str, missing[:_SHOWN])) + ", ..." * (len(missing) > _SHOWN)
        raise ValueError(
            f"{root}: masks of Label Studio's tasks name no image: expected the project's JSON export beside "
            f"them, with the tasks {shown}, found {len(tasks)} tasks"
        )
    return list(tasks.values())


def _image(
    task: Task, files: list[BrushFile], by_name: dict[str, list[tuple[str, ...]]], names: tuple[str, ...]
) -> BrushImage:
    place = next(
        (locate(words, by_name[words[-1]]) for words in task.images if by_name.get(words[-1])),
        ImagePath("/".join(task.images[0]) if task.images else f"task {task.number}", NO_IMAGE),
    )
    split = next((role for part in reversed(place.path.split("/")[:-1]) if (role := role_of(part))), None)
    problem = place.problem or task.problem
    if len(task.annotations) > 1:
        problem = problem or f"task {task.number}: expected one annotation, found {sorted(task.annotations)}"
    if problem:
        return BrushImage(place.path, split, (), problem)
    number, regions = next(iter(task.annotations.items()))
    masks, counted = [], Counter()
    for file in files:
        if file.annotation not in (None, number):
            continue
        if (region := _region(file, regions)) is None:
            return BrushImage(place.path, split, (), f"{file.path}: no region of task {task.number}")
        counted[region] += 1
        masks.append((names.index(region[1]), file.path))
    if counted != regions:
        (tag, label), count = next(each for each in regions.items() if counted[each[0]] != each[1])
        problem = (
            f"task {task.number}: expected {count} masks task-{task.number}-...-{tag}-{label}-0, ..., found "
            f"{counted[tag, label]}"
        )
        return BrushImage(place.path, split, (), problem)
    return BrushImage(place.path, split, tuple(masks))


def _region(file: BrushFile, regions: Counter) -> tuple[str, str] | None:
    """The task's region at the end of a file's name; labels may contain dashes, so the longest match."""
    stem = PurePosixPath(file.path).stem.rpartition("-")[0]  # without the number of the region
    fitting = [each for each in regions if stem.endswith(re.sub(r"[/\\]", "-", f"-{each[0]}-{each[1]}"))]
    return max(fitting, key=lambda each: len(each[0]) + len(each[1]), default=None)


def _notes(
    tasks: list[Task], annotated: list[Task], masks: dict[int, list[BrushFile]], names: tuple[str, ...]
) -> Iterator[str]:
    unpainted = "background" if BACKGROUND in names else "ignored"
    yield (
        "classes: named by Label Studio's labels; unpainted pixels are "
        f"{unpainted}, those painted with two classes ignored"
    )
    if len(annotated) < len(tasks):
        yield f"skipped: {len(tasks) - len(annotated)} of {len(tasks)} tasks, which nobody annotated"
    if empty := [task.number for task in annotated if task.number not in masks]:
        yield f"nothing was painted on the images of {len(empty)} tasks, the first {empty[0]}"


def _is_present(root: Path) -> bool:
    """Whether exported masks lie in the folder or in one directly below it."""
    below_root = [path for path in root.iterdir() if path.is_dir() and not is_hidden(path.name)]
    return any(
        _NAME.fullmatch(path.name) for folder in (root, *below_root) for path in folder.glob("task-*-*.*")
    )


BRUSH_MASKS = LabelMapFormat(
    layout="masks that Label Studio exported, such as task-1-annotation-101-by-...-tag-zebra-0.png",
    is_present=_is_present,
    pairs=lambda root: [],
    class_names=lambda root: None,
    ignored=(),
    read=read_brush_masks,
)
