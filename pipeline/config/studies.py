"""Studies of the auxiliary head: `ablate` compares variants, `search` ranks candidates."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import product
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, create_model, field_validator, model_validator

from pipeline.config.models import AUXILIARY_HEADS, AuxiliaryHeadConfig
from pipeline.config.section import Positive, Section
from pipeline.config.stages import PretrainConfig
from pipeline.config.tables import TablesSection

# Part of task names and of links, so without ".", which joins the parts.
StudyName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Proxy = Literal["cka", "cosine", "kl", "auxiliary_loss"]


_HeadKeys = create_model(
    "_HeadKeys",
    __base__=Section,
    __module__=__name__,
    **{
        name: (info.rebuild_annotation() | None, None)
        for name, info in AuxiliaryHeadConfig.model_fields.items()
    },
)


class HeadChanges(_HeadKeys):
    """Changes to the experiment's `auxiliary_head`, by key; other keys keep their values."""

    def applied_to(self, head: AuxiliaryHeadConfig) -> AuxiliaryHeadConfig:
        """The head with these changes. If `kind` changes, its numbers start from that kind's defaults.

        Raises:
            ValueError: the resulting head is invalid.
        """
        kept, changes = head.model_dump(), self.model_dump(exclude_none=True)
        if (kind := changes.get("kind", head.kind)) != head.kind:
            defaults = AUXILIARY_HEADS[kind]
            kept = {name: value for name, value in kept.items() if defaults.get(name) is None}
        return AuxiliaryHeadConfig.model_validate(kept | changes)


class AblateSection(Section):
    """Variants of the auxiliary head, each pretrained and probed like an arm."""

    arm: str | None = None  # whose head is changed; null: the experiment's first arm with a head
    variants: dict[StudyName, HeadChanges] = Field(default={})  # by name: what differs, any key of the head
    # Every combination is a variant too, named like "depth-6_detached-true".
    product: dict[str, tuple[bool | int | str, ...]] = Field(default={})
    probes: tuple[Literal["knn", "linear"], ...] = Field(default=("knn", "linear"), min_length=1)

    @model_validator(mode="after")
    def _has_variants(self) -> "AblateSection":
        if not self.named_changes():
            raise ValueError("no variant: give [ablate.variants.<name>] or [ablate.product]")
        return self

    def named_changes(self) -> dict[str, HeadChanges]:
        """The variants' changes by name; those of the product come last."""
        return self.variants | dict(self._products())

    def heads(self, head: AuxiliaryHeadConfig) -> dict[str, AuxiliaryHeadConfig]:
        """The variants of `head`, by name."""
        return {name: changes.applied_to(head) for name, changes in self.named_changes().items()}

    def _products(self) -> Iterator[tuple[str, HeadChanges]]:
        for values in product(*self.product.values()) if self.product else ():
            changes = dict(zip(self.product, values, strict=True))
            name = "_".join(f"{key}-{str(value).lower()}" for key, value in changes.items())
            yield name, HeadChanges.model_validate(changes)


class SearchSection(Section):
    """Candidates that are trained together on one base for a short schedule, without labels.

    The released code does not contain the paper's search: all of this is the project's own.
    """

    arm: str | None = None  # whose head is searched for; null: the experiment's first arm with a head
    candidates: dict[StudyName, HeadChanges] = Field(
        default={kind: HeadChanges(kind=kind, depth=3) for kind in AUXILIARY_HEADS}, min_length=2
    )
    # Of the joint training; null: a tenth of the experiment's. Other lengths in epochs shrink in proportion.
    epochs: Positive | None = None
    # Of the trainings that `search-validate` compares with; null: as many as the search's.
    validate_epochs: Positive | None = None
    # The largest value wins: 1 - CKA of patch tokens, cosine distance of projected CLS vectors, KL between
    # prototype distributions (all at the end), or the head's own loss (mean over the last tenth of steps).
    ranking: Proxy = "cka"

    def heads(self, head: AuxiliaryHeadConfig) -> dict[str, AuxiliaryHeadConfig]:
        """The candidates by name; settings that a candidate does not set are those of `head`."""
        return {name: changes.applied_to(head) for name, changes in self.candidates.items()}


def in_name_order(heads: Mapping[str, AuxiliaryHeadConfig]) -> dict[str, AuxiliaryHeadConfig]:
    """The values sorted by name: fingerprints ignore the order of keys, so results must not depend on it."""
    return dict(sorted(heads.items()))


def shortened(config: PretrainConfig, epochs: float) -> PretrainConfig:
    """The same training in `epochs` epochs: warm-ups and other lengths in epochs shrink in proportion.

    It starts from random weights, and exports no backbone before its end.
    """
    share = epochs / config.schedule.epochs
    lengths = _lengths(config.schedule, share) | {"epochs": epochs, "export_every_epochs": 0}
    schedule = config.schedule.model_copy(update=lengths)
    lengths = _lengths(config.objective, share)
    lengths["patch_start_epoch"] = config.objective.patch_start_epoch * share
    objective = config.objective.model_copy(update=lengths)
    return config.model_copy(update={"schedule": schedule, "objective": objective, "start": None})


def _lengths(section: Section, share: float) -> dict[str, float]:
    """The section's lengths in epochs, scaled; how often something is saved is an integer and no length."""
    fields = type(section).model_fields
    return {
        name: value * share
        for name, value in section
        if name.endswith("_epochs") and fields[name].annotation is float
    }


class JointTrainingConfig(Section):
    """All settings of one joint training, given the prepared images."""

    pretrain: PretrainConfig  # of any one candidate alone; its head is ignored
    candidates: dict[str, AuxiliaryHeadConfig]

    _in_name_order = field_validator("candidates")(in_name_order)

    @model_validator(mode="after")
    def _one_base(self) -> "JointTrainingConfig":
        for head in self.candidates.values():
            PretrainConfig.model_validate({**dict(self.pretrain), "auxiliary_head": head})
        return self

    @cached_property
    def alone(self) -> dict[str, PretrainConfig]:
        """Name of each candidate -> settings of training it alone."""
        return {
            name: self.pretrain.model_copy(update={"auxiliary_head": head})
            for name, head in self.candidates.items()
        }


class StudyConfig(TablesSection):
    """Settings that the tables of all studies share."""

    experiment: str
    arm: str
    baseline: str
    heads: dict[str, AuxiliaryHeadConfig]

    _in_name_order = field_validator("heads")(in_name_order)


class AblateConfig(StudyConfig):
    """Settings of the table of `ablate`."""


class SearchConfig(StudyConfig):
    """Settings of the table of `search`."""

    ranking: Proxy


class SearchValidateConfig(StudyConfig):
    """Settings of the table of `search-validate`."""

    ranking: Proxy
