"""Sections of methods: whose numbers count, and what is refused."""

import pytest
from pydantic import ValidationError

from pipeline.config.experiment import Experiment
from pipeline.config.methods import MethodSection
from pipeline.pretrain.methods.settings import ARMS, SimclrConfig


def test_every_arm_has_its_method_and_an_arm_with_head_its_method_alone():
    experiment = Experiment(name="e")
    for name, arm in ARMS.items():
        if not arm.pretrained:
            continue
        config = experiment.pretrain_config(name, 0)
        assert config.method == getattr(experiment, arm.method)
        assert config.method.name == arm.method
        assert (config.auxiliary_head is not None) == arm.auxiliary == (arm.alone is not None)
        if arm.alone is not None:
            alone = experiment.pretrain_config(arm.alone, 0)
            assert alone == config.model_copy(update={"auxiliary_head": None})


def test_a_methods_numbers_take_the_place_of_the_schedules_and_no_others():
    settings = {
        "schedule": {"epochs": 7, "base_lr": 0.5, "ema_momentum": 0.9},
        "mocov3": {"warmup_epochs": 3},
    }
    experiment = Experiment(name="e", **settings)
    ibot, mocov3 = (experiment.pretrain_config(arm, 0) for arm in ("ibot", "hssl-mocov3"))
    assert (ibot.schedule.base_lr, ibot.schedule.ema_momentum) == (0.5, 0.9)
    assert ibot.schedule == experiment.schedule
    assert ibot.regularisation == experiment.regularisation
    schedule = mocov3.schedule
    assert (schedule.epochs, schedule.warmup_epochs, schedule.base_lr) == (7, 3, 1.5e-4)
    assert (schedule.weight_decay, schedule.weight_decay_end, schedule.max_gradient_norm) == (0.1, 0.1, 0)
    assert (schedule.ema_momentum, schedule.ema_momentum_end) == (0.99, 1)
    assert mocov3.regularisation.drop_path_rate == 0
    assert experiment.pretrain_config("mae", 0).schedule.betas == (0.9, 0.95)


def test_every_method_is_shared_among_ranks():
    Experiment(name="e", arms=tuple(arm for arm in ARMS if arm != "pixels"), runtime={"devices": 2})
    Experiment(name="e", projection_head={"norm": "batch"}, runtime={"devices": 2})


def test_a_batch_divides_among_ranks_and_their_microbatches():
    for devices, steps, message in (
        (3, 1, r"runtime\.devices 3 does not divide schedule\.batch_size 256"),
        (64, 8, r"runtime\.devices 64 times accumulation_steps 8 does not divide schedule\.batch_size 256"),
    ):
        with pytest.raises(ValidationError, match=message):
            Experiment(name="e", runtime={"devices": devices}, schedule={"accumulation_steps": steps})
    Experiment(name="e", runtime={"devices": 32}, schedule={"accumulation_steps": 8})
    finetune = {"schedule": {"batch_size": 12, "accumulation_steps": 2}}
    with pytest.raises(ValidationError, match=r"does not divide finetune\.schedule\.batch_size 12 into 8"):
        Experiment(name="e", runtime={"devices": 4}, finetune=finetune)


def test_ranks_take_a_card_each():
    Experiment(name="e", runtime={"devices": 2, "device": "cpu"})
    Experiment(name="e", runtime={"devices": 2, "device": "cuda"})
    with pytest.raises(ValidationError, match="that is one card, and each rank takes its own"):
        Experiment(name="e", runtime={"devices": 2, "device": "cuda:1"})


def test_mae_sees_crops_and_flips_only_and_hides_a_fixed_share():
    experiment = Experiment(name="e", crops={"num_local": 2}, mae={"mask_ratio": 0.5})
    config = experiment.pretrain_config("mae", 0)
    assert (config.masks.shape, config.masks.ratios, config.masks.ratio_variations) == (
        "random",
        (0.5,),
        (0,),
    )
    crops = config.crops
    assert (crops.jitter_probability, crops.grey_probability, crops.num_local) == (0, 0, 0)
    assert crops.blur_probability == crops.solarize_probability == (0, 0, 0)
    assert crops.global_scale == experiment.crops.global_scale
    coloured = Experiment(name="e", mae={"colour": True}).pretrain_config("mae", 0).crops
    assert coloured == Experiment(name="e").crops


def test_small_crops_are_for_ibot_and_dino():
    experiment = Experiment(name="e", crops={"num_local": 2})
    assert experiment.pretrain_config("ibot", 0).crops.num_local == 2
    assert experiment.pretrain_config("simclr", 0).crops.num_local == 0


@pytest.mark.parametrize("arm", ["mocov3", "simclr", "byol", "hssl-mocov3"])
def test_a_loss_over_the_whole_batch_is_not_computed_in_parts(arm):
    with pytest.raises(ValidationError, match=f"arm '{arm}': .*accumulation_steps 2: .*needs"):
        Experiment(name="e", arms=(arm,), schedule={"accumulation_steps": 2})
    Experiment(name="e", arms=("mae", "ibot"), schedule={"accumulation_steps": 2})


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        (
            {"arms": ["mae"], "mae": {"mask_ratio": 0.001}},
            "arm 'mae': mae.mask_ratio 0.001 hides none or all",
        ),
        ({"mae": {"decoder_heads": 7}}, "decoder_dim 512 is not divisible by decoder_heads 7"),
        ({"mocov3": {"temperature": 0}}, "greater than 0"),
        ({"byol": {"temperature": 0.1}}, "Extra inputs"),
        ({"arms": ["simclr"], "schedule": {"batch_size": 1}}, "batch_size must be 2 or more"),
    ],
)
def test_what_a_method_cannot_do_is_refused(sections, words):
    with pytest.raises(ValidationError, match=words):
        Experiment(name="e", **sections)


def test_sections_override_fields_that_exist():
    """A misspelt override would change nothing, in silence."""
    from pipeline.config.models import RegularisationConfig
    from pipeline.config.stages import ScheduleConfig

    known = ScheduleConfig.model_fields.keys() | RegularisationConfig.model_fields.keys()
    assert MethodSection.model_fields.keys() <= known


def test_a_method_that_compares_a_ranks_own_images_is_refused_on_several(monkeypatch):
    monkeypatch.setattr(SimclrConfig, "ranks_share_batch", False)
    with pytest.raises(ValidationError, match=r"'simclr': .*needs runtime\.devices = 1"):
        Experiment(name="e", arms=("ibot", "simclr"), runtime={"devices": 2})
