"""Steps with other projections, and without hidden patches, against PyTorch in float64."""

import numpy as np
import pytest

from tests.pipeline.pretrain.small_run import a_batch, relative_error, small_config, without_key_bias

torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
SIZES = {"hidden_dim": 20, "bottleneck_dim": 12, "num_prototypes": 19}
HEADS = {
    "own-patch-prototypes": {"shared": False, "teacher_shared": False, "num_patch_prototypes": 11},
    "teacher-shared": {"shared": False, "teacher_shared": True, "learnt_gain": True},
    "teacher-follows": {"shared": True, "teacher_shared": False},
    "gain-relu": {"learnt_gain": True, "activation": "relu"},
    "layer": {"norm": "layer"},
    "batch": {"norm": "batch", "activation": "relu", "shared": False, "teacher_shared": False},
}


def is_cancelled(name, config):
    """A batch norm cancels the shifts before it: their gradient is rounding noise, and so would be a step."""
    hidden = "projection_head" in name and ".hidden." in name and name.endswith(".bias")
    before = (hidden and ".norm." not in name) or name in ("backbone.norm.bias", "auxiliary_head.norm.bias")
    return before and config.projection_head.norm == "batch"


def three_steps(config):
    """The project's state and terms of three steps, PyTorch's, and PyTorch's tensors at the end."""
    import jittor as jt

    from pipeline.models.weights import assign_arrays, named_arrays
    from pipeline.optim.schedules import Schedule
    from pipeline.pretrain.drop_path_masks import draw_drop_path
    from pipeline.pretrain.step import initial_state, train_step
    from tests.oracles.torch_steps import steps

    rng, state = np.random.default_rng(0), initial_state(config)
    weights = {
        # Gains stay near 1: at 4 the student's distributions would be saturated, and the loss be noise.
        name: (value * (1 if name.endswith("gain") else 4) + 0.1 * rng.normal(size=value.shape)).astype(
            np.float32
        )
        for name, value in named_arrays(state.student).items()
    }
    other = {
        name: (weights[name] + 0.05 * rng.normal(size=weights[name].shape)).astype(np.float32)
        for name in named_arrays(state.teacher)
    }
    assign_arrays(state.student, weights, "test")
    assign_arrays(state.teacher, other, "test")
    student = {name: torch.tensor(value).double() for name, value in weights.items()}
    teacher = {name: torch.tensor(value).double() for name, value in other.items()}
    schedule = Schedule(config.schedule, config.objective, num_images=4)
    batches, rates = [a_batch(config, rng) for _ in range(3)], [schedule.at(step) for step in range(3)]
    drop_paths = [draw_drop_path(config, batch, step) for step, batch in enumerate(batches)]
    expected = steps(config, student, teacher, batches, rates, drop_paths)
    found = []
    for batch, rate in zip(batches, rates, strict=True):
        state, outcome = train_step(state, batch, rate, config)
        terms = {"total": outcome.losses.total, **outcome.losses.terms}
        method_state = {name: value.numpy() for name, value in state.method_state.items()}
        found.append(({name: value.item() for name, value in terms.items()}, method_state))
    jt.sync_all()
    return state, found, list(expected), {"student": student, "teacher": teacher, "start": weights}


@pytest.mark.parametrize("options", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("arm", ["hssl", "ibot"])
def test_three_steps_equal_torch_float64(jt, arm, options):
    from pipeline.models.weights import named_arrays

    changes = {} if arm == "hssl" else {"auxiliary_head": None}
    config = small_config(projection_head=SIZES | options, **changes)
    state, found, expected, oracle = three_steps(config)
    for (terms, method_state), (oracle_terms, _, centers) in zip(found, expected, strict=True):
        assert terms.keys() == oracle_terms.keys()
        for name, value in oracle_terms.items():
            assert terms[name] == pytest.approx(value, rel=2e-4, abs=1e-6), name
        for name in ("cls", "patch"):
            assert relative_error(method_state[name], centers[name]) < 2e-4
    # Adam's first steps have the same size whatever the gradient's is, so they enlarge rounding.
    for which in ("student", "teacher"):
        for name, value in named_arrays(getattr(state, which)).items():
            if is_cancelled(name, config):
                start = oracle["start"][name]
                assert which == "teacher" or np.array_equal(value, start), name
            else:
                expected_value = without_key_bias(name, oracle[which][name].detach().numpy())
                assert relative_error(without_key_bias(name, value), expected_value) < 1e-3, name


def test_a_teacher_has_a_patch_layer_only_where_the_student_has_one(jt):
    from pipeline.models.hssl import build_student_teacher

    layers = {}
    for name, options in HEADS.items():
        networks = build_student_teacher(small_config(projection_head=SIZES | options))
        layers[name] = tuple(network.projection_head.patch_prototypes is not None for network in networks)
    assert layers == {
        "own-patch-prototypes": (True, True), "teacher-shared": (True, False), "batch": (True, True),
        "teacher-follows": (False, False), "gain-relu": (False, False), "layer": (False, False),
    }  # fmt: skip


def test_patches_that_are_not_hidden_have_the_same_loss_and_leave_the_mask_token_alone(jt):
    from pipeline.models.weights import named_arrays

    config = small_config(objective={"patches_hidden": False})
    state, found, expected, oracle = three_steps(config)
    for (terms, _), (oracle_terms, _, _) in zip(found, expected, strict=True):
        for name, value in oracle_terms.items():
            assert terms[name] == pytest.approx(value, rel=2e-4), name
    hidden = three_steps(small_config(objective={}))[1]
    assert found[0][0]["base_patch"] != pytest.approx(hidden[0][0]["base_patch"], rel=1e-3)
    token = named_arrays(state.student)["backbone.mask_token"]
    assert np.array_equal(token, oracle["start"]["backbone.mask_token"])


def test_a_batch_norm_refuses_parts():
    schedule = {"batch_size": 4, "accumulation_steps": 2}
    with pytest.raises(ValueError, match="needs accumulation_steps = 1"):
        small_config(projection_head=SIZES | {"norm": "batch"}, schedule=schedule)
    assert small_config(projection_head=SIZES | {"norm": "layer"}, schedule=schedule)
