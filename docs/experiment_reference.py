"""The page `docs/reference.md`, written from the configuration models: `python docs/experiment_reference.py`.

Keys, types, limits and defaults are the models' own; meanings are the comments that stand with the fields.
"""

import ast
import inspect
import io
import re
import sys
import tokenize
from collections.abc import Iterable
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pipeline.config.backbone import BASES  # noqa: E402
from pipeline.config.data import DataConfig  # noqa: E402
from pipeline.config.experiment import Experiment  # noqa: E402
from pipeline.config.models import AUXILIARY_HEADS  # noqa: E402
from pipeline.config.reading import PRESETS, preset_names  # noqa: E402
from pipeline.config.section import Section  # noqa: E402
from pipeline.datasets.catalog import FORMATS  # noqa: E402
from pipeline.pretrain.methods.settings import ARMS  # noqa: E402

PAGE = ROOT / "docs" / "reference.md"
_HEAD = """\
# Every key of an experiment

This page is written by `python docs/experiment_reference.py` from the models that check an experiment. Do
not edit it: a test compares the two. How an experiment's file works is on [another page](experiment.md).

Defaults are those of an experiment that extends nothing; a preset states others. `doit run config` prints
every key of one experiment with its value. `null` is the absence of a value: a TOML file leaves such a key
out.
"""
_MOST_VALUES = 12  # of a default that is shown in full
# Fields whose choices are a table of this page.
_TABLES = {
    "arms": "[arms](#arms)",
    "baseline": "[arm](#arms)",
    "backbone.kind": "[kind of base](#kinds-of-base)",
    "backbone.size": "[its size](#kinds-of-base)",
    "auxiliary_head.kind": "[kind of head](#kinds-of-auxiliary-head)",
}

# Fields whose choices are the lines of a table in the code.
_CHOICES = {(DataConfig, "format"): FORMATS}


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join([_HEAD, *_presets(), *_arms(), *_bases(), *_heads(), *_sections()])


def _presets() -> list[str]:
    lines = ["## Presets", "", "| preset | what it is |", "|---|---|"]
    for name in preset_names():
        lines_of_preset = (PRESETS / f"{name}.toml").read_text(encoding="utf-8").splitlines()
        comment = [line.removeprefix("#").strip() for line in _leading(lines_of_preset, "#")]
        lines.append(f"| `{name}` | {_cell(' '.join(comment))} |")
    return [*lines, ""]


def _leading(lines: list[str], start: str) -> list[str]:
    first_other = next((i for i, line in enumerate(lines) if not line.startswith(start)), len(lines))
    return lines[:first_other]


def _arms() -> list[str]:
    lines = ["## Arms", "", "| arm | pretrained by | auxiliary head | compared with |", "|---|---|---|---|"]
    for name, arm in ARMS.items():
        method = (
            arm.method + ("" if arm.patch_loss else ", without its patch loss")
            if arm.pretrained
            else "nothing: random weights"
            if arm.network
            else "no network: pixels are the features, of k-NN alone"
        )
        alone = f"`{arm.alone}`, else `baseline`" if arm.alone else "`baseline`"
        lines.append(f"| `{name}` | {method} | {'yes' if arm.auxiliary else ''} | {alone} |")
    return [*lines, ""]


def _bases() -> list[str]:
    lines = ["## Kinds of base", "", "| `backbone.kind` | `size` | fixed by the size | keys of any size |"]
    lines += ["|---|---|---|---|"]
    for name, kind in BASES.items():
        sizes = [f"**`{size}`**" if size == kind.default_size else f"`{size}`" for size in kind.sizes]
        fixed = ", ".join(f"`{key}`" for key in kind.sizes[kind.default_size])
        lines.append(f"| `{name}` | {', '.join(sizes)} | {fixed} | {_keys(kind.defaults)} |")
    return [*lines, "", 'Bold: the default. `size = "custom"` states what a named size fixes.', ""]


def _heads() -> list[str]:
    lines = ["## Kinds of auxiliary head", "", "| `auxiliary_head.kind` | keys of its own |", "|---|---|"]
    lines += [f"| `{name}` | {_keys(keys)} |" for name, keys in AUXILIARY_HEADS.items()]
    return [*lines, "", "All have `depth`, `first_shortcut` and `detached` too.", ""]


def _keys(defaults: dict[str, Any]) -> str:
    return ", ".join(f"`{key}` {_default(value)}" for key, value in defaults.items())


def _sections() -> list[str]:
    """A table for each section; one that repeats another's model shows what differs."""
    lines: list[str] = []
    first: dict[type[BaseModel], tuple[str, dict[str, Any]]] = {}
    waiting: list[tuple[str, BaseModel | type[BaseModel]]] = [("", Experiment(name="e"))]
    while waiting:
        path, section = waiting.pop(0)
        model = section if inspect.isclass(section) else type(section)
        defaults = _defaults(section)
        inner = {name: of for name in defaults if (of := section_of(model.model_fields[name].annotation))}
        shown = {name: value for name, value in defaults.items() if not isinstance(value, BaseModel)}
        lines += [f"## {_heading(path)}", "", _summary(model), ""] if path else ["## Top level", ""]
        if model in first:
            like, before = first[model]
            shown = {name: value for name, value in shown.items() if value != before[name]}
            but = ", but for these defaults:" if shown else ", with the same defaults."
            lines += [f"The keys are those of [`[{like}]`](#{_anchor(like)}){but}", ""]
        first.setdefault(model, (path, defaults))
        lines += _table(path, model, shown)
        below = [(_joined(path, name), _instance(defaults[name], of)) for name, of in inner.items()]
        waiting = below + waiting
    return lines


def _heading(path: str) -> str:
    """As it is written in a file: a section that there may be several of in double brackets."""
    info = Experiment.model_fields.get(path)
    return f"[[{path}]]" if info and get_origin(info.annotation) is tuple else f"[{path}]"


def _defaults(section: BaseModel | type[BaseModel]) -> dict[str, Any]:
    """Field -> default, without fields that take one value only: there is nothing to set."""
    model = section if inspect.isclass(section) else type(section)
    defaults = {}
    for name, info in model.model_fields.items():
        if get_origin(info.annotation) is Literal and len(get_args(info.annotation)) == 1:
            continue
        resolved = info.get_default() if section is model else getattr(section, name)
        defaults[name] = PydanticUndefined if info.is_required() else resolved
    return defaults


def _instance(default: Any, model: type[BaseModel]) -> BaseModel | type[BaseModel]:
    """The section as it is when nothing is stated; its model where something must be."""
    try:
        return default if isinstance(default, BaseModel) else model()
    except ValidationError:
        return model


def _table(path: str, model: type[BaseModel], shown: dict[str, Any]) -> list[str]:
    if not shown:
        return []
    lines_of_preset, lines = comments(model), ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, default in shown.items():
        full, info = _joined(path, name), model.model_fields[name]
        optional = f"[section](#{_anchor(full)})" if section_of(info.annotation) else None
        takes = optional or _TABLES.get(full) or _choices(_CHOICES.get((model, name))) or type_words(info)
        lines.append(f"| `{name}` | {takes} | {_default(default)} | {_cell(lines_of_preset.get(name, ''))} |")
    return [*lines, ""]


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _anchor(path: str) -> str:
    return path.replace(".", "")


def _summary(model: type[BaseModel]) -> str:
    """First paragraphs of the docstrings of a section and of those that it extends."""
    own = [owner for owner in model.__mro__[: model.__mro__.index(Section)] if owner.__doc__]
    return _text(" ".join(inspect.getdoc(owner).partition("\n\n")[0] for owner in own))


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds, also where it may be absent or be several; None for all else."""
    held = get_origin(annotation) in (Union, UnionType, tuple)
    parts = get_args(annotation) if held else (annotation,)
    return next((part for part in parts if inspect.isclass(part) and issubclass(part, BaseModel)), None)


def comments(model: type[BaseModel]) -> dict[str, str]:
    """Field -> what the comments above it and behind it say; a subclass's word counts before its base's."""
    found: dict[str, str] = {}
    for owner in model.__mro__:
        if owner is BaseModel:
            break
        found = _own_comments(owner) | found
    return found


def _own_comments(model: type[BaseModel]) -> dict[str, str]:
    try:
        source = inspect.cleandoc("\n" + inspect.getsource(model))
    except OSError:
        return {}  # written nowhere: `with_sections` made it, of sections alone, which are told elsewhere
    alone, behind = {}, {}  # line -> comment
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            words = token.string.removeprefix("#").strip().removesuffix("# fmt: skip").strip()
            is_alone = token.line.strip().startswith("#")
            (alone if is_alone else behind)[token.start[0]] = "" if words == "fmt: skip" else words
    found = {}
    for field in ast.parse(source).body[0].body:
        if not isinstance(field, ast.AnnAssign):
            continue
        above, line = [], field.lineno - 1
        while line in alone:
            above.insert(0, alone[line])
            line -= 1
        inside = [behind[n] for n in range(field.lineno, field.end_lineno + 1) if n in behind]
        if lines_of_preset := " ".join(filter(None, [*above, *inside])):
            found[field.target.id] = lines_of_preset
    return found


def type_words(info: FieldInfo) -> str:
    """What a field takes, in words: `integer > 0`, `"a"` or `"b"`, list of ..."""
    annotation = info.annotation
    for limit in info.metadata:
        annotation = Annotated[annotation, limit]
    return _words(TypeAdapter(annotation).json_schema())


def _choices(values: Iterable[str] | None) -> str:
    choices = [f'`"{value}"`' for value in values or ()]
    return f"{', '.join(choices[:-1])} or {choices[-1]}" if len(choices) > 1 else "".join(choices)


_NAMES = {"integer": "integer", "number": "number", "string": "text", "boolean": "true or false"}
_LIMITS = {
    "exclusiveMinimum": "> {}",
    "minimum": "≥ {}",
    "exclusiveMaximum": "< {}",
    "maximum": "≤ {}",
}


def _words(schema: dict[str, Any]) -> str:
    if "enum" in schema or "const" in schema:
        return _choices(schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return " or ".join("null" if part.get("type") == "null" else _words(part) for part in schema["anyOf"])
    if "$ref" in schema or schema.get("type") == "object":
        return "table"
    if "prefixItems" in schema:
        parts = [_words(part) for part in schema["prefixItems"]]
        return f"{len(parts)} of: {parts[0]}" if len(set(parts)) == 1 else ", ".join(parts)
    if schema.get("type") == "array":
        return f"list of: {_words(schema['items'])}"
    limits = [form.format(schema[key]) for key, form in _LIMITS.items() if key in schema]
    return " ".join([_NAMES[schema["type"]], ", ".join(limits)]).strip()


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return ""
    if isinstance(value, tuple) and len(value) > _MOST_VALUES:
        return f"{len(value)} values, `{_toml(value[0])}` to `{_toml(value[-1])}`"
    return f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_none=True)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }" if value else "{}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return (
        f'"{value}"' if isinstance(value, str) else f"{value:.6g}" if isinstance(value, float) else str(value)
    )


def _text(words: str) -> str:
    return re.sub(r"\bNone\b", "null", " ".join(words.split())).replace("<", "&lt;")


def _cell(words: str) -> str:
    return _text(words).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
