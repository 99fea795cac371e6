"""The base class of all configuration sections: frozen, strict, without unknown keys."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    create_model,
    model_validator,
)
from pydantic_core import to_jsonable_python


class Location:
    """Marks a path whose content has a digest in the same section.

    Only the digest enters the fingerprint, so moving the file does not change it.
    """


class AbsentUnlessGiven:
    """Marks a field that is left out of fingerprints while it is None.

    So a stage can get a new setting without outdating what was made before.
    """


class Section(BaseModel):
    """A frozen section of settings. An unknown key, a wrong type or a value out of range is an error.

    `true` is not a number, text is neither a number nor `true`, and 2.0 is not an integer; but an integer is
    accepted as a float. Lists become tuples.

    A stage may read a section's fields, class attributes and properties: `readable_values` has them all, so
    they enter the fingerprint. Functions with arguments that compute something do not belong here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _with_tuples(cls, values: Any) -> Any:
        return _with_tuples(values)


def _with_tuples(value: Any) -> Any:
    """Turn lists into tuples: TOML and JSON have only lists, which a strict section would refuse."""
    if isinstance(value, dict):
        return {key: _with_tuples(one) for key, one in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def with_sections(base: type[Section], sections: Mapping[str, type[Section]]) -> type[Section]:
    """`base` with a further key per section, whose default is the section's defaults."""
    fields = {name: (section, section()) for name, section in sections.items()}
    return create_model(base.__name__, __base__=base, **fields)


def without_absent(section: Section, dumped: SerializerFunctionWrapHandler) -> dict[str, Any]:
    """For a `model_serializer`: leave out the fields marked AbsentUnlessGiven that are not given.

    So a configuration written to a file, such as a backbone's, is the same as before the field existed.
    """
    fields = type(section).model_fields
    return {
        name: value
        for name, value in dumped(section).items()
        if value is not None or AbsentUnlessGiven not in fields[name].metadata
    }


def readable_values(value: Any) -> Any:
    """All values that a stage can read from a section, its properties included, as JSON values."""
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


def distinct(values: tuple) -> tuple:
    """Return the values of a field if there is at least one, and none appears twice.

    Raises:
        ValueError: otherwise.
    """
    if not values or len(set(values)) != len(values):
        raise ValueError(f"needs at least one entry and no entry twice, got {list(values)}")
    return values


PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
