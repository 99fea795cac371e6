from itertools import pairwise

import numpy as np
import pytest

from pipeline.config.models import ObjectiveConfig
from pipeline.config.stages import ScheduleConfig
from pipeline.optim.param_groups import decays
from pipeline.optim.schedules import Schedule, cosine, warm_temperature, warmup_cosine


def test_published_recipe_per_step():
    """ViT-B on ImageNet-1K: 100 epochs of 1,281,167 images at 256 a step."""
    schedule = Schedule(ScheduleConfig(), ObjectiveConfig(), num_images=1_281_167)
    assert schedule.num_steps == 500_456
    assert schedule.at(0).lr == 0
    peak = round(10 * 1_281_167 / 256)
    assert schedule.at(peak - 1).lr == pytest.approx(7.5e-4, rel=1e-12)
    assert schedule.at(schedule.num_steps - 1).lr == pytest.approx(2e-6, rel=1e-4)
    assert schedule.at(0).weight_decay == pytest.approx(0.04, rel=1e-12)
    assert schedule.at(schedule.num_steps - 1).weight_decay == pytest.approx(0.4, rel=1e-6)
    assert schedule.at(schedule.num_steps // 2).ema_momentum == pytest.approx(0.998, rel=1e-12)
    assert schedule.at(0).last_layer_frozen
    assert not schedule.at(3 * 5005).last_layer_frozen


def test_cosine_equals_a_table():
    n, start, end = 7, 0.9, 0.1
    expected = end + 0.5 * (start - end) * (1 + np.cos(np.pi * np.arange(n) / n))
    assert [cosine(i, n, start, end) for i in range(n)] == pytest.approx(expected)


def test_warmup_is_linear_and_meets_the_cosine():
    rates = [warmup_cosine(step, 20, 5, 1.0, 0.0) for step in range(20)]
    assert rates[:5] == pytest.approx(np.linspace(0, 1, 5))
    assert rates[5] == pytest.approx(1.0)
    assert all(a > b for a, b in pairwise(rates[5:]))


def test_temperature_follows_whole_epochs():
    expected = [*np.linspace(0.04, 0.07, 5), 0.07, 0.07]
    assert [warm_temperature(epoch, 5, 0.04, 0.07) for epoch in range(7)] == pytest.approx(expected)
    assert warm_temperature(0, 0, 0.04, 0.07) == 0.07


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("blocks.0.mlp.expand.weight", (4, 4), True),
        ("norm.weight", (4,), False),
        ("cls_token", (1, 4), True),
        ("blocks.0.mlp.expand.bias", (4,), False),
        ("pos_embed", (5, 4), True),
    ],
)
def test_what_decays(name, shape, expected):
    assert decays(name, shape) is expected


def test_patch_temperature_waits_for_the_first_epoch_with_patches():
    objective = ObjectiveConfig(patch_start_epoch=2, patch_temperature_warmup_epochs=3)
    schedule = Schedule(ScheduleConfig(epochs=8, batch_size=10), objective, num_images=10)
    found = [schedule.at(epoch).patch_temperature for epoch in range(7)]
    assert found == pytest.approx([0.04, 0.04, 0.04, 0.055, 0.07, 0.07, 0.07])


@pytest.mark.parametrize(("epochs", "expected"), [(6, {5: 2, 10: 4}), (7, {5: 2, 10: 4, 15: 6})])
def test_exports_after_every_second_epoch_but_the_last(epochs, expected):
    config = ScheduleConfig(epochs=epochs, batch_size=4, export_every_epochs=2)
    schedule = Schedule(config, ObjectiveConfig(), num_images=10)
    due = {step: schedule.export_due(step) for step in range(1, schedule.num_steps + 1)}
    assert {step: epoch for step, epoch in due.items() if epoch} == expected
    assert schedule.exports() == list(expected.values())
    never = Schedule(config.model_copy(update={"export_every_epochs": 0}), ObjectiveConfig(), num_images=10)
    assert not any(never.export_due(step) for step in due)


def test_exports_of_epochs_shorter_than_a_step_skip_none_that_matters():
    config = ScheduleConfig(epochs=10, batch_size=25, export_every_epochs=1)
    schedule = Schedule(config, ObjectiveConfig(), num_images=10)
    assert [schedule.export_due(step) for step in (1, 2, 3, 4)] == [2, 5, 7, None]
    assert schedule.exports() == [2, 5, 7]
