"""Reads a TOML file or a preset into an Experiment, and reports every mistake at once."""

import difflib
import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from pipeline.config.experiment import Experiment
from pipeline.config.weights import digest_of_source

PRESETS = Path(__file__).resolve().parent.parent / "presets"
MOST_BYTES = 2**20  # of a file; the longest preset has 4 KiB
MOST_LEVELS = 32  # of tables and lists within each other; an experiment has at most 5
_MOST_SHOWN = 200  # characters of a wrong value
_TOO_DEEP = f"expected at most {MOST_LEVELS} tables and lists within each other"


class ConfigError(ValueError):
    """The experiment is invalid; the message lists every mistake with its key."""


def preset_names() -> list[str]:
    """Names of the experiments that come with the project."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def read_experiment(name_or_path: str, changes: Mapping[str, Any] | None = None) -> Experiment:
    """Read a preset by name or a user's TOML file by path.

    A file may start from a preset with `extends = "smoke"` and state only what differs. A relative `source`
    of images, or `runtime.hosts`, counts from the folder of the file; in a preset, from the project's folder.
    Without `name`, the file's stem is the name.

    Args:
        changes: dotted key -> a value, as if the file stated it.

    Raises:
        ConfigError: there is no such file or preset, it is not TOML, or a key is invalid, unknown or missing.
    """
    path = _locate(name_or_path)
    values = _merged(path, seen=(), changes=changes or {})
    values.setdefault("name", path.stem)
    try:
        return Experiment.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(path, error)) from error


def _locate(name_or_path: str) -> Path:
    preset = PRESETS / f"{name_or_path}.toml"
    if preset.is_file():
        return preset
    path = Path(name_or_path)
    if path.is_file():
        return path.resolve()
    close = difflib.get_close_matches(name_or_path, preset_names(), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ConfigError(f"{name_or_path!r} is neither a file nor a preset ({', '.join(preset_names())}){hint}")


def _merged(path: Path, seen: tuple[Path, ...], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The values of what this file extends, overridden by the file's own values and then by the changes."""
    if path in seen:
        raise ConfigError(f"{path}: extends itself through {[str(p) for p in seen]}")
    values = read_toml(path)
    for key, value in changes.items():
        for part in reversed(key.split(".")):
            value = {part: value}
        values = _overlay(values, value)
    start = PRESETS.parent.parent if path.parent == PRESETS else path.parent
    further = values.get("evaluate")
    tasks = [values.get(task) for task in ("finetune", "segmentation", "detection")]
    for section in (values, *tasks, *(further if isinstance(further, list) else ())):
        _resolve_source(section, start)
    _resolve_hosts(values.get("runtime"), start)
    start_section, weights = values.get("start"), values.get("weights")
    _resolve_start(path, start_section, start)
    _resolve_weights(path, "start", start_section, start)
    for name, section in weights.items() if isinstance(weights, dict) else ():
        _resolve_weights(path, f"weights.{name}", section, start)
    parent = values.pop("extends", None)
    if parent is None:
        return values
    local = path.parent / str(parent)
    try:
        extended = local.resolve() if local.is_file() else _locate(str(parent))
    except ConfigError as error:
        raise ConfigError(f"{path}: extends: {error}") from None
    base = _merged(extended, (*seen, path), changes={})
    base.pop("name", None)
    return _overlay(base, values)


def read_toml(path: Path) -> dict[str, Any]:
    """The values of a TOML file.

    Raises:
        ConfigError: it cannot be read, is larger or more deeply nested than any experiment, or is not TOML.
    """
    try:
        if (num_bytes := path.stat().st_size) > MOST_BYTES:
            raise ConfigError(f"{path}: expected at most {MOST_BYTES} bytes, found {num_bytes}")
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows editors write a BOM
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: {_TOO_DEEP}, found more") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from error
    level, levels = [values], 0
    while level := [each for value in level for each in _held(value)]:
        levels += 1
        if any(isinstance(each, str) and "\0" in each for each in level):
            raise ConfigError(f"{path}: expected texts without a zero byte, which no name or path has")
        if levels > MOST_LEVELS:
            raise ConfigError(f"{path}: {_TOO_DEEP}, found more")
    return values


def _held(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else []


def _resolve_source(section: Any, start: Path) -> None:
    """Make the relative `data.source` of a section absolute, in place."""
    data = section.get("data") if isinstance(section, dict) else None
    source = data.get("source") if isinstance(data, dict) else None
    if isinstance(source, str) and source != "photo-scenes" and "://" not in source:
        data["source"] = str((start / Path(source).expanduser()).resolve())


def _resolve_hosts(runtime: Any, start: Path) -> None:
    """Make a relative `runtime.hosts` absolute, in place."""
    hosts = runtime.get("hosts") if isinstance(runtime, dict) else None
    if isinstance(hosts, str):
        runtime["hosts"] = str((start / Path(hosts).expanduser()).resolve())


def _resolve_start(path: Path, section: Any, start: Path) -> None:
    """Make `start.checkpoint` absolute and add the file's digest, in place: only its content matters."""
    checkpoint = section.get("checkpoint") if isinstance(section, dict) else None
    if not isinstance(checkpoint, str) or not checkpoint.endswith(".safetensors"):
        return
    file = (start / Path(checkpoint).expanduser()).resolve()
    try:
        with open(file, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"{path}: start.checkpoint: {file}: {error.strerror}") from error
    if section.setdefault("sha256", digest) != digest:
        raise ConfigError(f"{path}: start.checkpoint: {file}: its SHA-256 is {digest}, not start.sha256")
    section["checkpoint"] = str(file)


def _resolve_weights(path: Path, key: str, section: Any, start: Path) -> None:
    """Make the `source` of foreign weights absolute and add the digest of its content, in place."""
    source = section.get("source") if isinstance(section, dict) else None
    if not isinstance(source, str):
        return
    place = (start / Path(source).expanduser()).resolve()
    try:
        digest = digest_of_source(place)
    except OSError as error:
        raise ConfigError(f"{path}: {key}.source: {error.filename or place}: {error.strerror}") from error
    if section.setdefault("sha256", digest) != digest:
        raise ConfigError(f"{path}: {key}.source: {place}: its SHA-256 is {digest}, not {key}.sha256")
    section["source"] = str(place)


def _overlay(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        both_tables = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _overlay(merged[key], value) if both_tables else value
    return merged


def _explain(path: Path, error: ValidationError) -> str:
    num_mistakes = error.error_count()
    lines = [f"{path}: {num_mistakes} mistake{'s' if num_mistakes > 1 else ''}"]
    for detail in error.errors():
        key = ".".join(str(part) for part in detail["loc"]) or "(experiment)"
        if detail["type"] == "extra_forbidden":
            lines.append(f"  {key}: unknown key{_suggestion(detail['loc'])}")
        else:
            message = detail["msg"].removeprefix("Value error, ")
            given = detail["input"]
            found = "" if isinstance(given, dict | BaseModel) else f" (found {_short(given)})"
            lines.append(f"  {key}: {message}{found}")
    return "\n".join(lines)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}... of {len(text)} characters"


def _suggestion(location: tuple[int | str, ...]) -> str:
    """The only section that has this key; else the most similar key of the same section."""
    section: type[BaseModel] = Experiment
    for part in location[:-1]:
        section = _sections(section).get(str(part), section)
    owners = [name for name, each in _sections(Experiment).items() if location[-1] in each.model_fields]
    if len(owners) == 1:
        return f"; it is a key of [{owners[0]}]"
    close = difflib.get_close_matches(str(location[-1]), section.model_fields, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known keys: {', '.join(section.model_fields)}"


def _sections(section: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The subsections of a section, by key."""
    return {
        name: kind
        for name, field in section.model_fields.items()
        for kind in reversed((field.annotation, *get_args(field.annotation)))
        if isinstance(kind, type) and issubclass(kind, BaseModel)
    }
