"""The base of every configuration section: frozen, strict, and closed to unknown keys."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """A frozen value. An unknown key, a wrong type or a value out of range is an error.

    `true` is no number, text is neither a number nor `true`, and 2.0 is no whole number; but a whole number
    stands for a float. Lists become tuples.
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


PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
