"""Settings of the measures taken during pretraining."""

from typing import Annotated, Any, ClassVar

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from pipeline.config.section import AbsentUnlessGiven, NonNegativeInt, PositiveInt, Section, without_absent


class MonitorConfig(Section):
    """Measures of the features of a fixed sample of training images during pretraining."""

    fewest_images: ClassVar[int] = 8  # two queries, and a bank of six

    every_epochs: NonNegativeInt = 0  # of pretraining, and at its end; 0: never
    # Pictures of a few images of the sample, with their tokens' colours and CLS attention, every so many
    # epochs and at the end; not given: never.
    pictures_every_epochs: Annotated[PositiveInt | None, AbsentUnlessGiven] = None
    # Drawn from the training part; all of it if it has fewer. Every fourth image is a query, the others are
    # the bank of its neighbours.
    num_images: int = Field(default=1024, ge=fewest_images)
    k: PositiveInt = 20  # neighbours that vote; the bank's size if that is less
    seed: NonNegativeInt = 0  # of the sample and its views, which are the same for all arms and seeds

    @model_serializer(mode="wrap")
    def _dumped(self, dumped: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_absent(self, dumped)
