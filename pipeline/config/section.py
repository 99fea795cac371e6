"""The base of every configuration section: frozen, strict, and closed to unknown keys."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator
from pydantic_core import to_jsonable_python


class Location:
    """Marks a path in a section that has the digest of what is there beside it.

    The digest decides what is computed, so a moved file changes no fingerprint.
    """


class AbsentUnlessGiven:
    """Marks a field that is no part of a fingerprint while it is None.

    So a stage can be given something new to do, and what was made without it stays current.
    """


class Section(BaseModel):
    """A frozen value. An unknown key, a wrong type or a value out of range is an error.

    `true` is no number, text is neither a number nor `true`, and 2.0 is no whole number; but a whole number
    stands for a float. Lists become tuples.

    A stage may read a section's fields, its class attributes and its properties: all of them are in
    `readable_values`, and so in the fingerprint. What takes arguments and computes has no place here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _with_tuples(cls, values: Any) -> Any:
        return _with_tuples(values)


def _with_tuples(value: Any) -> Any:
    """TOML and JSON have lists only, and a strict section takes none for a tuple."""
    if isinstance(value, dict):
        return {key: _with_tuples(one) for key, one in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def with_sections(base: type[Section], sections: Mapping[str, type[Section]]) -> type[Section]:
    """`base` with a further key for each section: what stands there when nothing is said are its defaults."""
    fields = {name: (section, section()) for name, section in sections.items()}
    return create_model(base.__name__, __base__=base, **fields)


def readable_values(value: Any) -> Any:
    """All that a stage can read off a section, as plain JSON values: also what its properties make of it."""
    if isinstance(value, Section):
        section = type(value)
        fields = section.model_fields.items()
        read = [name for name, info in fields if not _left_out(info.metadata, getattr(value, name))]
        names = [*read, *section.__class_vars__, *_properties(section)]
        return {name: readable_values(getattr(value, name)) for name in sorted(names)}
    if isinstance(value, dict):
        return {name: readable_values(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [readable_values(each) for each in value]
    return to_jsonable_python(value)


def _left_out(marks: list[Any], value: Any) -> bool:
    return Location in marks or (AbsentUnlessGiven in marks and value is None)


def _properties(section: type[Section]) -> list[str]:
    members = [item for each in section.__mro__ if issubclass(each, Section) for item in vars(each).items()]
    return [name for name, member in members if isinstance(member, property | cached_property)]


PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
