"""Classification from a few images of each class."""

from typing import Literal

from pydantic import Field, field_validator

from pipeline.config.section import Positive, PositiveInt, Section, distinct


class FewShotConfig(Section):
    """Classification by frozen features, from a few training images per class, over several draws."""

    shots: tuple[PositiveInt, ...] = (1, 5, 10, 20)  # training images of each class
    draws: int = Field(default=10, ge=2)  # of these images; the same for all arms and seeds
    methods: tuple[Literal["knn", "logistic"], ...] = ("knn", "logistic")
    temperature: Positive = 0.07  # of the neighbours' weights; as many neighbours vote as there are shots
    inverse_strength: Positive = 1.0  # C of logistic regression; too few images to choose it on some of them
    max_iterations: PositiveInt = 1000  # of logistic regression

    _distinct = field_validator("shots", "methods")(distinct)
