"""Every base with every auxiliary head under every method: one step, in which every trained tensor learns."""

import itertools

import numpy as np
import pytest

from pipeline.config.methods import MethodSection
from pipeline.config.models import AUXILIARY_HEADS
from pipeline.config.stages import PretrainConfig
from pipeline.pretrain.methods.settings import IbotConfig
from tests.pipeline.models.backbones.small_base import SMALL, base_config
from tests.pipeline.pretrain import small_run

METHODS: dict[str, MethodSection] = {"ibot": IbotConfig()} | small_run.SMALL_METHODS
PRODUCT = list(itertools.product(SMALL, AUXILIARY_HEADS, METHODS))
# Each base, each head and each method at least once, and with different partners.
_BASES, _METHODS = itertools.cycle(SMALL), itertools.cycle(METHODS)
DIAGONAL = [(next(_BASES), head, next(_METHODS)) for head in AUXILIARY_HEADS]
REST = [case for case in PRODUCT if case not in DIAGONAL]


def pair_config(base: str, head: str, method: str) -> PretrainConfig:
    """Global crops of 32 pixels with maps of 4 x 4 places; where there are local ones, of 2 x 2.

    On 2 x 2 places a pooling over 3 x 3 would make all places equal, and leave a second one nothing to do.
    """
    section = METHODS[method]
    sections = {"method": section, "auxiliary_head": {"kind": head, "kernel_size": 3, "depth": 2}}
    crops = {"global_size": 32, "local_size": 16, "num_local": 2 if method == "ibot" else 0}
    config = small_run.small_config(
        backbone=base_config(base, patch_size=8 if base == "vit" else 1).model_dump(), crops=crops, **sections
    )
    return config.model_copy(update={"masks": section.masks_taken(config.masks)})


def a_batch(config, rng):
    """Half of the places of every crop are hidden."""
    from dataclasses import replace

    batch = small_run.a_batch(config, rng)
    masks = np.zeros(batch.masks.shape, bool)
    masks[..., ::2, ::2] = masks[..., 1::2, 1::2] = True
    return replace(batch, masks=masks)


def every_trained_tensor_learns(jt, rng, base, head, method):
    from pipeline.models.weights import assign_arrays, named_arrays
    from pipeline.optim.schedules import Schedule
    from pipeline.pretrain.drop_path_masks import draw_drop_path, microbatch_drop_path
    from pipeline.pretrain.methods.method import MethodInput, method_of
    from pipeline.pretrain.step import initial_state, train_step

    config = pair_config(base, head, method)
    state, batch = initial_state(config), a_batch(config, rng)
    rates = Schedule(config.schedule, config.objective, num_images=4).at(0)
    arrays = named_arrays(state.student)
    # At its initial value of 1e-6 a layer scale leaves gradients that rounding could as well have made.
    scales = {name: np.ones_like(a) for name, a in arrays.items() if name.endswith("layer_scale")}
    assign_arrays(state.student, arrays | scales, "test")

    drop_path = microbatch_drop_path(draw_drop_path(config, batch, 0), 0, 1)
    named = state.student.named_parameters()
    # Twice: Jittor was seen to lose gradients on the second pass over weights that were not read before.
    for _ in range(2):
        inputs = MethodInput(state.method_state, batch, drop_path, rates)
        outcome = method_of(config).forward(state.networks, inputs)
        found = jt.grad(outcome.losses.total, [parameter for _, parameter in named])
        sizes = {name: np.abs(g.numpy()).max() for (name, _), g in zip(named, found, strict=True)}
    assert np.isfinite(outcome.losses.total.item())
    assert {name for name, size in sizes.items() if not np.isfinite(size)} == set()
    frozen = {name for name in sizes if method_of(config).frozen(name, state.student, rates)}
    # Gradients of exactly 0, of which rounding leaves something, would be below.
    assert {name for name, size in sizes.items() if size < 1e-7} - frozen == set()

    before = named_arrays(state.student)
    state, _ = train_step(state, batch, rates, config)
    after = named_arrays(state.student)
    assert {name for name in before if np.array_equal(before[name], after[name])} == frozen
    assert all(np.isfinite(value).all() for value in after.values())


@pytest.mark.parametrize(("base", "head", "method"), DIAGONAL)
def test_a_diagonal_of_the_pairs_trains(jt, rng, base, head, method):
    every_trained_tensor_learns(jt, rng, base, head, method)


@pytest.mark.slow
@pytest.mark.parametrize(("base", "head", "method"), REST)
def test_every_other_pair_trains(jt, rng, base, head, method):
    every_trained_tensor_learns(jt, rng, base, head, method)


@pytest.mark.parametrize("base", SMALL)
def test_a_batch_in_parts_gives_the_result_of_the_whole(jt, rng, base):
    """Also with a ResNet, whose norms know no batch."""
    from pipeline.models.weights import named_arrays
    from pipeline.optim.schedules import Schedule
    from pipeline.pretrain.step import initial_state, train_step

    whole = pair_config(base, "convnext", "ibot")
    batch, weights = a_batch(whole, rng), []
    for num_microbatches in (1, 2):
        schedule = whole.schedule.model_copy(update={"accumulation_steps": num_microbatches})
        config = whole.model_copy(update={"schedule": schedule})
        rates = Schedule(config.schedule, config.objective, num_images=4).at(0)
        state, _ = train_step(initial_state(config), batch, rates, config)
        arrays = named_arrays(state.student).items()
        weights.append(np.concatenate([small_run.without_key_bias(n, a).ravel() for n, a in arrays]))
    assert small_run.relative_error(weights[1], weights[0]) < 1e-3


@pytest.mark.parametrize("base", ["swin", "resnet"])
def test_a_checkpoint_holds_all_of_a_base(jt, rng, tmp_path, base):
    """Two steps equal one step, a checkpoint read into a fresh state, and one more."""
    from pipeline.models.weights import named_arrays
    from pipeline.optim.schedules import Schedule
    from pipeline.pretrain.step import initial_state, train_step
    from pipeline.training.checkpoint import load_checkpoint, save_checkpoint

    config = pair_config(base, "convnext", "ibot")
    schedule = Schedule(config.schedule, config.objective, num_images=4)
    batches = [a_batch(config, rng) for _ in range(2)]
    state, _ = train_step(initial_state(config), batches[0], schedule.at(0), config)
    save_checkpoint(tmp_path / "c.safetensors", state, run="config")
    whole, _ = train_step(state, batches[1], schedule.at(1), config)
    fresh = load_checkpoint(tmp_path / "c.safetensors", initial_state(config), run="config")
    resumed, _ = train_step(fresh, batches[1], schedule.at(1), config)
    for one, other in ((whole.student, resumed.student), (whole.teacher, resumed.teacher)):
        expected = named_arrays(other)
        assert all(np.array_equal(value, expected[name]) for name, value in named_arrays(one).items())
