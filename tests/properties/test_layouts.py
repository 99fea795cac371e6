"""Weights of other projects with strange tensors: a base, or one line that names the file."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.weights import ForeignConfig
from pipeline.weights.error import WeightsError
from pipeline.weights.foreign import ForeignBackbone, read_foreign

torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
from tests.pipeline.weights import torch_networks as networks  # noqa: E402

NETWORKS = {
    "vit": lambda: networks.randomised(networks.TimmVit()),
    "registers": lambda: networks.randomised(networks.TimmVit(scaled=True, registers=4)),
}
NAMES = [
    "",
    "a",
    "blocks.3.norm1.weight",
    "blocks.x.y",
    "blocks.-1.norm1.weight",
    "blocks." + "9" * 30 + ".ls1.gamma",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("layouts")


@st.composite
def changed_state(draw: st.DrawFn, network: str) -> dict:
    """Up to three changes of tensors and their names."""
    found = dict(NETWORKS[network]().state_dict())
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(found)))
        tensor = found[name]
        kind = draw(st.sampled_from(["drop", "rename", "add", "shape", "cut", "type", "number", "empty"]))
        if kind in ("drop", "rename"):
            del found[name]
        if kind in ("rename", "add"):
            others = [*NAMES, f"module.{name}", f"{name}.1", name.upper(), name.replace("0", "1")]
            found[draw(st.sampled_from(others))] = tensor
        if kind == "shape":
            shape = draw(st.sampled_from([(-1,), (1, *tensor.shape), (*tensor.shape, 1), tensor.shape[::-1]]))
            found[name] = tensor.reshape(shape)
        if kind == "cut":
            found[name] = tensor[: max(1, len(tensor) // 2)].clone()
        if kind == "type" and not tensor.is_complex():  # of which PyTorch warns
            kinds = [torch.float16, torch.float64, torch.int64, torch.bool, torch.complex64, torch.bfloat16]
            found[name] = tensor.to(draw(st.sampled_from(kinds)))
        if kind == "number" and tensor.is_floating_point() and tensor.numel():
            found[name] = tensor.clone()
            found[name].view(-1)[0] = draw(st.sampled_from([float("nan"), float("inf"), 3e38]))
        if kind == "empty":
            found[name] = tensor[:0].clone()
    return found


def read_or_told(path, num_heads) -> ForeignBackbone | str:
    try:
        return read_foreign(ForeignConfig(source=str(path), num_heads=num_heads))
    except WeightsError as error:
        return str(error)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@given(data=st.data())
def test_strange_tensors(folder, name, suffix, data):
    state = data.draw(changed_state(name))
    path = folder / f"a{suffix}"
    if suffix == ".pth":
        torch.save({"model": state}, path)
    else:
        from safetensors.torch import save_file

        save_file({key: each.contiguous().clone() for key, each in state.items()}, path)
    heads = data.draw(st.sampled_from([2, None]))
    found = read_or_told(path, heads)
    if isinstance(found, str):
        assert str(path) in found
        assert "\n" not in found
        return
    assert found.config.depth <= 4
    for key, array in found.arrays.items():
        assert array.dtype == np.float32, key
        assert np.isfinite(array).all(), f"{key} is taken with numbers that are none"


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_not_damaged_is_right(folder, name):
    """Else the other test could not fail."""
    state = NETWORKS[name]().state_dict()
    torch.save({"model": state}, folder / "whole.pth")
    found = read_foreign(ForeignConfig(source=str(folder / "whole.pth"), num_heads=2))
    assert found.config.depth == 3
    assert any(
        np.array_equal(each, state["cls_token"].numpy().reshape(each.shape))
        for each in found.arrays.values()
        if each.size == 32
    )
