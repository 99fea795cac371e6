"""Reads the tasks in Label Studio's JSON or JSON-MIN export: images and their brush regions."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pipeline.datasets.foreign_paths import path_parts
from pipeline.datasets.image_names import is_image_name
from pipeline.storage.foreign_json import parse_json

_LABELS = ("brushlabels", "labels")  # BrushLabels, and Labels used with a Brush
_UPLOAD = re.compile(r"[0-9a-f]{8}-")  # prefix of an uploaded file's name


@dataclass(frozen=True, slots=True)
class Task:
    """One image and its painted regions."""

    number: int
    images: tuple[tuple[str, ...], ...]  # possible images, as folders and name, the likeliest first
    # Annotation -> number of regions for each (name of the tag, label); None: not annotated.
    annotations: dict[int, Counter]
    # Why the classes of the regions are unknown.
    problem: str | None = None


def is_task_list(content: Any) -> bool:
    """Whether a json file's content is a list of Label Studio's tasks, in either form."""
    first = content[0] if isinstance(content, list) and content else content
    if not isinstance(first, dict) or not isinstance(first.get("id"), int):
        return False
    return isinstance(first.get("data"), dict) or "annotation_id" in first


def read_tasks(path: Path) -> list[Task] | None:
    """The tasks of a json file, in its order; None for another kind of file.

    Raises:
        ValueError: it is not JSON, or a task in it has another form.
    """
    try:
        content = parse_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if not is_task_list(content):
        return None
    tasks: dict[int, Task] = {}
    for item in content if isinstance(content, list) else [content]:
        try:
            task = _full(item) if isinstance(item.get("data"), dict) else _minimal(item)
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path}: expected tasks of Label Studio, found another form ({error!r})"
            ) from error
        known = tasks.setdefault(task.number, task)
        known.annotations.update(task.annotations)  # JSON-MIN has a line for each annotation
    return list(tasks.values())


def _full(item: dict) -> Task:
    done, problem = {}, None
    for annotation in item.get("annotations", item.get("completions")) or []:
        if annotation.get("was_cancelled") or annotation.get("skipped"):
            continue
        regions = [
            (result["from_name"], result["value"], result.get("type"))
            for result in annotation.get("result") or []
            if isinstance(result.get("value"), dict) and "from_name" in result
        ]
        done[annotation["id"]], problem = _counted(regions, problem)
    return Task(item["id"], tuple(_images(item["data"].values())), done, problem)


def _minimal(item: dict) -> Task:
    regions = [
        (name, value, None)
        for name, values in item.items()
        for value in (values if isinstance(values, list) else [])
        if isinstance(value, dict)
    ]
    counted, problem = _counted(regions, None)
    known = {"annotation_id", "annotator", "created_at", "updated_at", "lead_time", "id"}
    values = [value for key, value in item.items() if key not in known]
    return Task(item["id"], tuple(_images(values)), {item["annotation_id"]: counted}, problem)


def _counted(regions: list[tuple[str, dict, Any]], problem: str | None) -> tuple[Counter, str | None]:
    counted = Counter()
    for name, value, _ in regions:
        if "rle" not in value:  # rectangles and others of the same project
            continue
        labels = next((value[key] for key in _LABELS if value.get(key)), ["no_label"])
        if len(labels) != 1:
            problem = f"expected one label for each brush region, found {labels}"
        counted[name, "-".join(labels)] += 1
    return counted, problem


def _images(values: Any) -> Iterator[tuple[str, ...]]:
    """Folders and names that a task's data may refer to: with the upload's prefix, then without."""
    for value in values:
        if not isinstance(value, str):
            continue
        address = urlsplit(value)
        words = path_parts(unquote(parse_qs(address.query).get("d", [address.path])[0]))
        if words and is_image_name(words[-1]):
            yield words
            if match := _UPLOAD.match(words[-1]):
                yield (*words[:-1], words[-1][match.end() :])
