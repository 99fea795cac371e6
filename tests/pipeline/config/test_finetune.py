"""MAE's protocol to the digit, lengths in steps, and what does not fit together."""

import pytest
from pydantic import ValidationError

from pipeline.config.experiment import Experiment
from pipeline.config.finetune import FinetuneSection


def experiment(**sections) -> Experiment:
    return Experiment.model_validate({"name": "my", **sections})


def test_the_defaults_are_maes_for_vit_base():
    section = FinetuneSection()
    view, mixing, schedule = section.view, section.mixing, section.schedule
    assert section.pooling == "patches"
    assert (view.image_size, view.resize, view.scale) == (224, 256, (0.08, 1.0))
    assert (view.num_operations, view.magnitude, view.magnitude_std, view.operation_probability) == (
        2,
        9,
        0.5,
        0.5,
    )
    assert view.erase_probability == 0.25
    assert (mixing.mixup_alpha, mixing.cutmix_alpha, mixing.cutmix_probability, mixing.label_smoothing) == (
        0.8, 1.0, 0.5, 0.1,
    )  # fmt: skip
    assert (schedule.epochs, schedule.warmup_epochs, schedule.batch_size) == (100, 5, 1024)
    assert (schedule.weight_decay, schedule.layer_decay, schedule.drop_path_rate) == (0.05, 0.65, 0.1)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"label_shares": [0.1, 0.1]}, "needs different numbers"),
        ({"label_shares": [0]}, "above 0, at most 1"),
        ({"label_shares": []}, "at least one"),
        ({"finetune": {"label_shares": [1.5]}}, "above 0, at most 1"),
        ({"finetune": {"schedule": {"accumulation_steps": 3}}}, "1024 is not divisible by accumulation"),
        ({"finetune": {"schedule": {"epochs": 2}}}, "warmup_epochs 5.0 exceeds epochs 2.0"),
        ({"finetune": {"view": {"image_size": 232}}}, "image_size 232 is not divisible by"),
        ({"finetune": {"view": {"resize": 200}}}, "resize 200 must be at least image_size 224"),
        ({"finetune": {"view": {"scale": [0.5, 0.1]}}}, r"scale must be \(low, high\)"),
        ({"finetune": {"view": {"magnitude": 11}}}, "less than or equal to 10"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused(section, words):
    with pytest.raises(ValidationError, match=words):
        experiment(**section)


def test_it_runs_where_its_section_is_there():
    assert experiment().finetune is None
    assert experiment(finetune=False).finetune is None
    assert experiment(finetune={}).finetune.stage_config(3).seed == 3
