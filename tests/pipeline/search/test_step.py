"""The joint step against the training step of each head alone, at the same weights."""

import numpy as np
import pytest

from tests.pipeline.pretrain.small_run import a_batch, relative_error
from tests.pipeline.search.small_search import CANDIDATES, small_search

# With heads of several depths, a base alone would drop its blocks at other rates.
NO_DROP = {"regularisation": {"drop_path_rate": 0.0}}


def rates_of(config, step=0):
    from pipeline.optim.schedules import Schedule

    return Schedule(config.pretrain.schedule, config.pretrain.objective, num_images=4).at(step)


def alone(config, name, batch):
    """Loss terms and gradients of one candidate by itself, by parameter name."""
    import jittor as jt

    from pipeline.pretrain.drop_path_masks import draw_drop_path, microbatch_drop_path
    from pipeline.pretrain.methods.method import MethodInput, method_of
    from pipeline.pretrain.step import initial_state

    own = config.alone[name]
    state = initial_state(own)
    drop_path = microbatch_drop_path(draw_drop_path(own, batch, 0), 0, 1)
    inputs = MethodInput(state.method_state, batch, drop_path, rates_of(config))
    outcome = method_of(own).forward(state.networks, inputs)
    named = dict(state.student.named_parameters())
    gradients = jt.grad(outcome.losses.total, list(named.values()))
    return outcome.losses, {name: g.numpy() for name, g in zip(named, gradients, strict=True)}


def joint(config, batch):
    """Loss terms of every candidate, and the gradients that the optimiser is given."""
    from pipeline.search.step import joint_state, joint_step

    state, given = joint_state(config), {}

    def noted(gradients, **rates):
        given.update({key: g.numpy() for key, g in zip(state.students, gradients, strict=True)})

    state.optimizer.step = noted
    _, outcome = joint_step(state, batch, rates_of(config), config)
    return outcome.losses, given


@pytest.mark.parametrize("accumulation_steps", [1, 2])
def test_each_loss_is_the_candidates_own_and_gradients_are_its_own_and_the_mean(jt, rng, accumulation_steps):
    config = small_search(**NO_DROP)
    batch = a_batch(config.pretrain, rng)
    expected = {name: alone(config, name, batch) for name in config.candidates}
    schedule = config.pretrain.schedule.model_copy(update={"accumulation_steps": accumulation_steps})
    parts = config.model_copy(update={"pretrain": config.pretrain.model_copy(update={"schedule": schedule})})
    terms, gradients = joint(parts, batch)
    shared = {}
    for name, (own_terms, own_gradients) in expected.items():
        assert terms[name].total.item() == pytest.approx(own_terms.total.item(), rel=1e-5)
        assert {*terms[name].terms} == {*own_terms.terms} == {"base_cls", "auxiliary_cls", "base_patch"}
        for part, value in own_terms.terms.items():
            assert terms[name].terms[part].item() == pytest.approx(value.item(), rel=1e-5), part
        for key, gradient in own_gradients.items():
            if f"{name}/{key}" in gradients:
                found = gradients.pop(f"{name}/{key}")
                assert relative_error(found, gradient) < 1e-4, key
                assert np.abs(gradient).max() > 0 or key.endswith("bias"), key
            else:
                shared.setdefault(key, []).append(gradient)
    assert all(len(of_all) == len(CANDIDATES) for of_all in shared.values())
    assert {f"(shared)/{key}" for key in shared} == gradients.keys()
    together = [np.concatenate([gradients[f"(shared)/{key}"].ravel() for key in shared]),
                np.concatenate([np.mean(of_all, axis=0).ravel() for of_all in shared.values()])]  # fmt: skip
    assert relative_error(*together) < 1e-4
    assert any(key.startswith("backbone.") for key in shared)


PLAIN = {"crops": {"global_size": 24, "num_local": 0}, **NO_DROP}
OTHER_METHODS = {  # with the passes of the base in a step
    "mocov3": (PLAIN | {"method": {"name": "mocov3", "hidden_dim": 16, "out_dim": 8}}, 2),
    "simclr": (PLAIN | {"method": {"name": "simclr", "hidden_dim": 16, "out_dim": 8}}, 1),
    "mae": (
        PLAIN | {"method": {"name": "mae", "decoder_dim": 12, "decoder_depth": 1, "decoder_heads": 3}},
        2,
    ),
}


@pytest.fixture
def passes(monkeypatch):
    """Every pass of a Vision Transformer."""
    from pipeline.models.vit import VisionTransformer

    found = []

    def counting(made):
        def counted(self, *arguments, **named):
            found.append(self)
            return made(self, *arguments, **named)

        return counted

    for way in ("execute", "chosen_tokens", "visible_tokens"):
        monkeypatch.setattr(VisionTransformer, way, counting(getattr(VisionTransformer, way)))
    return found


def test_the_base_runs_once_for_all_candidates(jt, rng, passes):
    from pipeline.search.step import joint_state, joint_step

    config = small_search()
    joint_step(joint_state(config), a_batch(config.pretrain, rng), rates_of(config), config)
    assert len(passes) == 3  # the teacher on global crops, the student on global and on local crops


@pytest.mark.parametrize("method", OTHER_METHODS)
def test_candidates_of_other_methods_share_the_base_too(jt, rng, passes, method):
    changes, num_passes = OTHER_METHODS[method]
    config = small_search({name: CANDIDATES[name] for name in ("convnext", "mixer")}, **changes)
    batch = a_batch(config.pretrain, rng)
    if method == "mae":  # equally many hidden patches in every crop
        batch.masks[:] = False
        batch.masks[..., 1:, :] = True
    expected = {name: alone(config, name, batch) for name in config.candidates}
    passes.clear()
    terms, gradients = joint(config, batch)
    assert len(passes) == num_passes
    for name, (own_terms, own_gradients) in expected.items():
        found = {part: value.item() for part, value in terms[name].terms.items()}
        by_itself = {part: value.item() for part, value in own_terms.terms.items()}
        assert found == pytest.approx(by_itself, rel=1e-4)
        own = [key for key in own_gradients if f"{name}/{key}" in gradients]
        together = [np.concatenate([of[key].ravel() for key in own])
                    for of in ({key: gradients[f"{name}/{key}"] for key in own}, own_gradients)]  # fmt: skip
        assert relative_error(*together) < 1e-3
        assert any(key.startswith("auxiliary_head.") for key in own)


def test_a_single_candidate_trains_as_it_does_alone(jt, rng):
    from pipeline.models.weights import named_arrays
    from pipeline.pretrain.step import initial_state, train_step
    from pipeline.search.step import joint_state, joint_step

    config = small_search({"convnext": CANDIDATES["convnext"]})
    batches = [a_batch(config.pretrain, rng) for _ in range(3)]
    together, by_itself = joint_state(config), initial_state(config.alone["convnext"])
    for index, batch in enumerate(batches):
        rates = rates_of(config, index)
        together, _ = joint_step(together, batch, rates, config)
        by_itself, _ = train_step(by_itself, batch, rates, config.alone["convnext"])
    for side in ("student", "teacher"):
        found = named_arrays(getattr(together.networks["convnext"], side))
        for name, value in named_arrays(getattr(by_itself, side)).items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)
    for name, value in by_itself.method_state.items():
        np.testing.assert_array_equal(together.method_states["convnext"][name].numpy(), value.numpy())


def test_shared_tensors_stay_one_and_every_tensor_moves(jt, rng):
    from pipeline.models.weights import named_arrays
    from pipeline.search.step import joint_state, joint_step

    config = small_search()
    before = {key: value.numpy().copy() for key, value in joint_state(config).students.items()}
    state, _ = joint_step(joint_state(config), a_batch(config.pretrain, rng), rates_of(config), config)
    after = {key: value.numpy() for key, value in state.students.items()}
    assert [key for key in before if np.array_equal(before[key], after[key])] == []
    for side in ("student", "teacher"):
        arrays = [named_arrays(getattr(networks, side)) for networks in state.networks.values()]
        assert all(np.array_equal(arrays[0][name], other[name]) for other in arrays for name in state.shared)
    assert len(state.students) == len(state.teachers) == len(before)


def test_every_candidate_keeps_a_centre_of_its_own(jt, rng):
    from pipeline.search.step import joint_state, joint_step

    config = small_search()
    state, _ = joint_step(joint_state(config), a_batch(config.pretrain, rng), rates_of(config), config)
    centres = [method_state["cls"].numpy() for method_state in state.method_states.values()]
    assert all(np.abs(centre).max() > 0 for centre in centres)
    assert not np.allclose(centres[0], centres[1])
