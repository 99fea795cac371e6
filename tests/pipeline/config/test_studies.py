"""Sections of the studies: what is changed, what is kept, what is refused."""

import warnings

import pytest
from pydantic import ValidationError

from pipeline.config.experiment import Experiment
from pipeline.config.models import AUXILIARY_HEADS, AuxiliaryHeadConfig
from pipeline.config.stages import PretrainConfig
from pipeline.config.studies import AblateSection, HeadChanges, JointTrainingConfig, SearchSection, shortened


def an_experiment(**changes) -> Experiment:
    return Experiment.model_validate({"name": "e", **changes})


def test_changes_name_every_key_of_a_head_under_the_same_limits():
    assert HeadChanges.model_fields.keys() == AuxiliaryHeadConfig.model_fields.keys()
    assert not HeadChanges().model_dump(exclude_none=True)
    for name, wrong in {"depth": 0, "kernel_size": -1, "kind": "none", "detached": 1}.items():
        for section in (HeadChanges, AuxiliaryHeadConfig):
            with pytest.raises(ValidationError) as caught:
                section.model_validate({name: wrong})
            assert caught.value.errors()[0]["loc"] == (name,)


def test_another_kind_has_its_own_sizes_and_keeps_the_rest():
    own = AuxiliaryHeadConfig(kernel_size=5, depth=2, detached=True)
    assert HeadChanges(depth=6).applied_to(own) == AuxiliaryHeadConfig(kernel_size=5, depth=6, detached=True)
    resnet = AuxiliaryHeadConfig(kind="resnet", depth=2, detached=True)
    assert HeadChanges(kind="resnet").applied_to(own) == resnet
    vit = AuxiliaryHeadConfig(kind="vit", num_heads=3)
    assert HeadChanges(kind="swin").applied_to(vit) == AuxiliaryHeadConfig(kind="swin", num_heads=3)


def test_a_product_is_every_combination_beside_the_variants():
    section = AblateSection(
        variants={"deep": HeadChanges(depth=6)}, product={"depth": (1, 2), "detached": (True, False)}
    )
    assert [*section.heads(AuxiliaryHeadConfig())] == [
        "deep", "depth-1_detached-true", "depth-1_detached-false",
        "depth-2_detached-true", "depth-2_detached-false",
    ]  # fmt: skip
    assert section.heads(AuxiliaryHeadConfig())["depth-2_detached-true"] == AuxiliaryHeadConfig(
        depth=2, detached=True
    )


def test_by_default_every_kind_is_a_candidate_at_depth_3():
    heads = SearchSection().heads(AuxiliaryHeadConfig(depth=1, kernel_size=5))
    assert heads.keys() == AUXILIARY_HEADS.keys()
    assert {head.depth for head in heads.values()} == {3}
    assert heads["convnext"].kernel_size == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ablate": {}}, "no variant"),
        ({"ablate": {"variants": {"a.b": {"depth": 1}}}}, "string_pattern_mismatch"),
        ({"ablate": {"variants": {"ibot": {"depth": 1}}}}, "is the name of an arm"),
        ({"ablate": {"product": {"depht": [1]}}}, "depht"),
        ({"ablate": {"variants": {"wide": {"kind": "vit", "num_heads": 5}}}}, "does not divide"),
        ({"search": {"arm": "random"}}, "has no auxiliary head to study"),
        ({"search": {"candidates": {"one": {"depth": 1}}}}, "at least 2"),
        ({"search": {"candidates": {"one": {"kind": "conv"}, "two": {}}}}, "search.candidates.one.kind"),
    ],
)
def test_what_cannot_be_studied_is_refused(changes, message):
    with pytest.raises(ValidationError) as found:
        an_experiment(**changes)
    assert message in str(found.value)


def test_a_shortened_training_keeps_its_proportions_and_is_a_valid_one():
    whole = an_experiment().pretrain_config("hssl", 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        short = shortened(whole, 25)
        assert PretrainConfig.model_validate(short.model_dump(mode="json")) == short
    schedule, objective = short.schedule, short.objective
    assert (schedule.epochs, schedule.warmup_epochs, schedule.freeze_last_layer_epochs) == (25, 2.5, 0.75)
    assert objective.teacher_temperature_warmup_epochs == objective.patch_temperature_warmup_epochs == 12.5
    unchanged = {"epochs", "warmup_epochs", "freeze_last_layer_epochs"}
    assert schedule.model_dump(exclude=unchanged) == whole.schedule.model_dump(exclude=unchanged)


def test_no_number_depends_on_the_order_of_the_candidates():
    alone = an_experiment().pretrain_config("hssl", 0)
    heads = {name: AuxiliaryHeadConfig(kind=name) for name in ("vit", "convnext", "mixer")}
    config = JointTrainingConfig(pretrain=alone, candidates=heads)
    assert [*config.candidates] == ["convnext", "mixer", "vit"]
    assert config.alone["vit"].auxiliary_head == heads["vit"]


def test_gains_are_over_the_method_alone_where_it_is_an_arm():
    experiment = an_experiment(arms=["random", "dino", "hssl-dino"], baseline="random")
    assert experiment.studied_arm(experiment.search) == "hssl-dino"
    assert experiment.gain_over("hssl-dino") == "dino"
    assert experiment.gain_over("hssl") == "random"
    chosen = an_experiment(search={"arm": "hssl-mae"})
    assert chosen.studied_arm(chosen.search) == "hssl-mae"


def test_a_shorter_training_shrinks_every_length_and_keeps_the_types():
    experiment = an_experiment(
        arms=("hssl",),
        schedule={"epochs": 100, "export_every_epochs": 7},
        objective={"patch_start_epoch": 10},
        start={"checkpoint": "c.safetensors"},
    )
    short = shortened(experiment.pretrain_config("hssl", 0), 5)
    assert (short.schedule.epochs, short.schedule.warmup_epochs) == (5, 0.5)
    assert short.objective.teacher_temperature_warmup_epochs == 2.5
    assert short.objective.patch_start_epoch == 0.5
    assert (short.schedule.export_every_epochs, short.start) == (0, None)
    assert type(short).model_validate(short.model_dump()) == short
