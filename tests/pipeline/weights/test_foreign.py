"""One network in all the ways that trainings, libraries and launchers wrap, name and split its tensors."""

import argparse
import collections
import json
import pathlib

import numpy as np
import pytest

from pipeline.config.weights import ForeignConfig, digest_of_source
from pipeline.weights.error import WeightsError
from pipeline.weights.foreign import read_foreign

torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
from tests.pipeline.weights import torch_networks as networks  # noqa: E402
from tests.pipeline.weights.layouts.test_vit import head, other, prefixed  # noqa: E402


class AttributeDict(dict):
    """As Lightning keeps hyper parameters: a class of its own."""


class Settings:
    """As a training script may have kept its own."""

    def __init__(self):
        self.values = {"lr": 0.1, "path": pathlib.PurePosixPath("a/b")}


def around(prefix):
    return lambda state: prefixed(state, prefix)


def lightning(state):
    """Student, teacher and heads in one dictionary; classes of the training beside it."""
    both = prefixed(other(), "student.backbone.") | prefixed(state, "teacher.backbone.")
    both |= head("student.head.") | head("teacher.head.") | {"criterion.center": torch.zeros(1, 5)}
    return {
        "state_dict": both,
        "hyper_parameters": AttributeDict(arch="vit", nested=AttributeDict(lr=0.1)),
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best": Settings(), "score": np.float64(3)}},
        "optimizer_states": [{"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(2)}}}],
        "pytorch-lightning_version": "2.5.0",
        "loops": {"fit_loop": {"state_dict": {}}},
    }


def timm_training(state):
    saved = {"arch": "vit", "state_dict": state, "args": argparse.Namespace(lr=0.1, sizes=Settings())}
    counted = collections.defaultdict(list, {"a": [np.float32(2)]})
    return saved | {"optimizer": {"state": counted}, "metric": np.float64(71.2)}


READ = {
    **{prefix: around(prefix) for prefix in (
        "module.", "_orig_mod.", "module._orig_mod.", "backbone.", "module.backbone.", "encoder.", "model.",
        "net.", "network.0.", "0.", "model.backbone.", "visual.trunk.", "_fsdp_wrapped_module.",
        "target_encoder.", "trunk.base.model.",
    )},
    "compiled blocks": lambda state: {
        name.replace("blocks.1.", "blocks.1._checkpoint_wrapped_module._orig_mod."): tensor
        for name, tensor in state.items()
    },
    "sharded blocks": lambda state: {
        name.replace("blocks.0.", "blocks.0._fsdp_wrapped_module."): tensor for name, tensor in state.items()
    },
    "Lightning": lightning,
    "timm's training": timm_training,
    "DeepSpeed, without stage 3": lambda state: {"module": state, "ds_config": {"a": 1}, "dp_world_size": 8},
    "an average": lambda state: {"ema": state, "epoch": 3},
    "entries within entries": lambda state: {"model": {"state_dict": state}, "epoch": 1},
    "teacher_backbone": lambda state: {"teacher_backbone": state, "student_backbone": other()},
    "teacher with parts": lambda state: {"teacher": {"backbone": state}, "student": {"backbone": other()}},
    "encoder and decoder": lambda state: prefixed(state, "encoder.") | prefixed(other(), "decoder."),
    "a decoder beside": lambda state: state | prefixed(other(), "decoder."),
    "momentum": lambda state: prefixed(state, "encoder_q.") | prefixed(other(), "encoder_k.")
    | {"queue": torch.zeros(3, 4), "queue_ptr": torch.zeros(1)},
    "segmentation": lambda state: {"state_dict": prefixed(state, "backbone.")
    | {"decode_head.conv_seg.weight": torch.zeros(3, 3, 1, 1), "auxiliary_head.0.bias": torch.zeros(3)}},
    "bfloat16": lambda state: {name: tensor.bfloat16() for name, tensor in state.items()},
    "float16": lambda state: {name: tensor.half() for name, tensor in state.items()},
    "parameters": lambda state: {name: torch.nn.Parameter(tensor) for name, tensor in state.items()},
}  # fmt: skip


def arrays_of(source, **settings):
    return read_foreign(ForeignConfig(source=str(source), num_heads=2, **settings)).arrays


@pytest.fixture(scope="module")
def state():
    return dict(networks.randomised(networks.TimmVit()).state_dict())


@pytest.fixture
def expected(state, tmp_path):
    torch.save(state, tmp_path / "plain.pth")
    return arrays_of(tmp_path / "plain.pth")


def assert_equal(found, expected, atol=0.0):
    assert found.keys() - {"mask_token"} == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, atol=atol, err_msg=name)


@pytest.mark.parametrize("form", ["w.pth", "w.pth.tar", "w.pt", "w.ckpt", "w.bin"])
def test_any_suffix(state, expected, tmp_path, form):
    torch.save({"state_dict": state}, tmp_path / form)
    assert_equal(arrays_of(tmp_path / form), expected)


@pytest.mark.parametrize("older", [False, True], ids=["zip", "older"])
@pytest.mark.parametrize("case", READ)
def test_the_same_network(state, expected, tmp_path, case, older):
    torch.save(READ[case](state), tmp_path / "w.pth", _use_new_zipfile_serialization=not older)
    assert_equal(arrays_of(tmp_path / "w.pth"), expected, atol=0.02 if "float" in case else 0)


def test_what_was_not_read_is_said(state, tmp_path):
    torch.save(lightning(state), tmp_path / "w.pth")
    notes = " ".join(read_foreign(ForeignConfig(source=str(tmp_path / "w.pth"), num_heads=2)).notes)
    assert "left out unread, beside the tensors: " in notes
    assert "AttributeDict" in notes
    assert "the network 'student.backbone'" in notes


def test_a_key_chooses_a_network_and_leaves_out_the_rest(state, expected, tmp_path):
    both = prefixed(other(), "online.") | prefixed(state, "target.") | {"adapter.weight": torch.zeros(3)}
    torch.save(both, tmp_path / "w.pth")
    with pytest.raises(
        WeightsError, match=r"several networks in it; choose with key, from \['online', 'target"
    ):
        arrays_of(tmp_path / "w.pth")
    assert_equal(arrays_of(tmp_path / "w.pth", key="target"), expected)
    torch.save(prefixed(state, "target.") | {"adapter.weight": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"known: \['adapter.weight'\]; key = 'target' leaves them out"):
        arrays_of(tmp_path / "w.pth")


REFUSED = {
    "a whole network": (lambda state: networks.TimmVit(), r"holds a \S*TimmVit; only plain values"),
    "a network in an entry": (lambda state: {"model": networks.TimmVit()}, r"holds a \S*TimmVit; only plain"),
    "an object among tensors": (lambda state: {"model": state | {"x": Settings()}}, "Settings; only plain"),
    "ZeRO stage 3": (
        lambda state: {"module": {name: torch.zeros(0) for name in state}},
        r"'patch_embed.proj.weight' has shape \(0,\)",
    ),
    "two wrapped": (lambda state: state | prefixed(state, "module."), "differ by a wrapper alone"),
    "Swin V2": (lambda state: {"layers.0.blocks.0.attn.logit_scale": torch.zeros(1)}, "Swin V2"),
    "an optimizer alone": (
        lambda state: {"optimizer": {"state": {0: {"exp_avg": torch.zeros(2)}}}},
        "nothing that holds tensors",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(state, tmp_path, case):
    changed, message = REFUSED[case]
    torch.save(changed(state), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=message) as error:
        arrays_of(tmp_path / "w.pth")
    assert "w.pth" in str(error.value)
    assert "\n" not in str(error.value)


def shards(state, folder, form):
    """Three files and their index, as transformers writes them."""
    from safetensors.torch import save_file

    names, files = list(state), {}
    for number in range(3):
        base, suffix = ("model", "safetensors") if form == "model.safetensors" else ("pytorch_model", "bin")
        file = f"{base}-{number + 1:05}-of-00003.{suffix}"
        part = {name: state[name] for name in names[number::3]}
        (save_file if suffix == "safetensors" else torch.save)(part, folder / file)
        files |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 1}, "weight_map": files}
    (folder / f"{form}.index.json").write_text(json.dumps(index))
    return index


@pytest.mark.parametrize("form", ["model.safetensors", "pytorch_model.bin"])
def test_shards(state, expected, tmp_path, form):
    folder = tmp_path / "sharded"
    folder.mkdir()
    index = shards(state, folder, form)
    assert_equal(arrays_of(folder), expected)
    before = digest_of_source(folder)
    first = sorted(set(index["weight_map"].values()))[0]
    (folder / first).rename(folder / "away")
    assert digest_of_source(folder) != before
    with pytest.raises(WeightsError, match=f"the file '{first}' is not in "):
        arrays_of(folder)
    (folder / "away").rename(folder / first)
    with pytest.raises(WeightsError, match="name the folder that they and it are in"):
        arrays_of(folder / f"{form}.index.json")
    fewer = {name: file for name, file in index["weight_map"].items() if name != "norm.weight"}
    for listed, message in (
        (fewer, "not what .*index.json lists"),
        ({"a": "../plain.pth"}, "the file '../plain.pth' is not in"),
        ([1], "expected weight_map"),
    ):
        (folder / f"{form}.index.json").write_text(json.dumps({"weight_map": listed}))
        with pytest.raises(WeightsError, match=message):
            arrays_of(folder)


def test_folders_of_sharded_trainings(tmp_path):
    (tmp_path / "__0_0.distcp").touch()
    with pytest.raises(WeightsError, match=r"PyTorch's sharded checkpoint, which .*dcp_to_torch.* joins"):
        arrays_of(tmp_path)
    (tmp_path / "__0_0.distcp").unlink()
    (tmp_path / "zero_to_fp32.py").touch()
    with pytest.raises(WeightsError, match=r"DeepSpeed's shards, which its zero_to_fp32.py joins"):
        arrays_of(tmp_path)


@pytest.mark.parametrize("form", ["w.safetensors", "w.pth"])
def test_float8(state, expected, tmp_path, form):
    from safetensors.torch import save_file

    small = {name: tensor.clamp(-8, 8).to(torch.float8_e4m3fn) for name, tensor in state.items()}
    (save_file if form.endswith("rs") else torch.save)(small, tmp_path / form)
    torch.save({name: tensor.float() for name, tensor in small.items()}, tmp_path / "whole.pth")
    assert_equal(arrays_of(tmp_path / form), arrays_of(tmp_path / "whole.pth"))


def test_patches_of_14_and_positions_of_518_pixels(tmp_path):
    """DINOv2's own: 37 x 37 patches, evaluated at 224 pixels."""
    network = networks.randomised(networks.TimmVit(patch=14, image_size=518, scaled=True, depth=1))
    torch.save(network.state_dict() | {"mask_token": torch.ones(1, 32)}, tmp_path / "w.pth")
    read = read_foreign(ForeignConfig(source=str(tmp_path / "w.pth"), num_heads=2))
    assert (read.config.image_size, read.config.patch_size, read.config.grid) == (518, 14, (37, 37))
    small = read_foreign(ForeignConfig(source=str(tmp_path / "w.pth"), num_heads=2, image_size=224))
    assert small.config.grid == (16, 16)
    assert any("518 px (37 x 37) to 224 px (16 x 16)" in line for line in small.notes)
    with pytest.raises(WeightsError, match="image_size 256 is not divisible by the patches' 14 pixels"):
        read_foreign(ForeignConfig(source=str(tmp_path / "w.pth"), num_heads=2, image_size=256))


@pytest.mark.parametrize(
    ("preprocessing", "mean", "std"),
    [
        ({"do_normalize": False, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}, 0.0, 1.0),
        ({"do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}, 0.5, 0.25),
    ],
)
def test_preprocessing_beside_the_weights(state, tmp_path, preprocessing, mean, std):
    torch.save(networks.hugging_face_names(state), tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit", "num_attention_heads": 2}))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(preprocessing))
    read = read_foreign(ForeignConfig(source=str(tmp_path)))
    assert (read.mean.tolist(), read.std.tolist()) == ([mean] * 3, [std] * 3)
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.5] * 3, "image_std": [0] * 3})
    )
    with pytest.raises(WeightsError, match="must be above 0"):
        read_foreign(ForeignConfig(source=str(tmp_path)))
