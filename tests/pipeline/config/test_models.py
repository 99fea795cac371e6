import pytest
from pydantic import ValidationError

from pipeline.config.experiment import Experiment
from pipeline.config.models import AUXILIARY_HEADS, AuxiliaryHeadConfig
from pipeline.models.auxiliary_heads.kinds import BLOCKS, HeadNumbers
from tests.pipeline.pretrain.small_run import small_config


def test_the_default_is_the_published_head():
    head = AuxiliaryHeadConfig()
    assert (head.kind, head.depth, head.kernel_size, head.first_shortcut) == ("convnext", 3, 7, False)


@pytest.mark.parametrize("kind", AUXILIARY_HEADS)
def test_a_kind_has_its_own_numbers_and_no_others(kind):
    """So another kind over a preset is one line, and what does not count is in no fingerprint."""
    given = {"kernel_size": 5, "window_size": 4, "num_heads": 2, "token_dim": 9}
    head = AuxiliaryHeadConfig.model_validate({"kind": kind} | given)
    kept = {name for name in given if getattr(head, name) is not None}
    assert kept == AUXILIARY_HEADS[kind].keys()
    assert all(getattr(head, name) == given[name] for name in kept)
    assert AuxiliaryHeadConfig.model_validate(head.model_dump()) == head


@pytest.mark.parametrize("kind", BLOCKS)
def test_every_number_of_a_kind_is_one_that_an_experiment_may_set(kind):
    assert BLOCKS[kind].keys.keys() <= HeadNumbers.model_fields.keys()


def test_numbers_live_beside_the_kinds_alone():
    """So a kind with a number that none had before is an edit of its own files."""
    assert not HeadNumbers.model_fields.keys() & AuxiliaryHeadConfig.__annotations__.keys()


@pytest.mark.parametrize("kind", AUXILIARY_HEADS)
def test_defaults_of_a_kind(kind):
    head = AuxiliaryHeadConfig(kind=kind)
    assert {name: getattr(head, name) for name in AUXILIARY_HEADS[kind]} == AUXILIARY_HEADS[kind]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "resnext"}, r"unknown kind of head; choose from \['convnext', "),
        ({"kind": "separable", "kernel_size": 4}, "kernel_size must be odd, got 4"),
        ({"kind": "poolformer", "kernel_size": 1}, "kernel_size 1 leaves nothing of a poolformer head"),
        ({"kind": "swin", "window_size": 1}, "window_size must be 2 or more"),
        ({"kind": "vit", "head_count": 2}, "head_count"),
        ({"kind": "mixer", "token_dim": 0}, "token_dim"),
    ],
)
def test_what_cannot_be_is_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        AuxiliaryHeadConfig.model_validate(values)


def test_attention_heads_divide_the_width():
    AuxiliaryHeadConfig(kind="vit", num_heads=6).check_width(384)
    with pytest.raises(ValueError, match=r"auxiliary_head\.num_heads 5 does not divide .* width 384"):
        AuxiliaryHeadConfig(kind="vit", num_heads=5).check_width(384)


def test_heads_that_do_not_fit_are_refused_before_anything_runs():
    head, words = {"kind": "swin", "num_heads": 5}, r"auxiliary_head\.num_heads 5 does not divide"
    with pytest.raises(ValidationError, match=words):
        Experiment.model_validate({"name": "my", "auxiliary_head": head})
    with pytest.raises(ValidationError, match=words):
        small_config(auxiliary_head=head)
