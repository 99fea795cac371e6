"""Each layout of a ViT: a network of PyTorch, saved as its project saves it, has the features of ours."""

import argparse
import collections
import json

import numpy as np
import pytest

from pipeline.config.weights import ForeignConfig
from pipeline.weights.error import WeightsError
from pipeline.weights.foreign import read_foreign

torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
from tests.pipeline.weights import torch_networks as networks  # noqa: E402

TOLERANCE = 1e-4
STATISTICS = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


def prefixed(state, prefix):
    return collections.OrderedDict((prefix + name, tensor) for name, tensor in state.items())


def head(prefix="head.", dim=32):
    return {f"{prefix}mlp.0.weight": torch.randn(8, dim), f"{prefix}last_layer.weight_v": torch.randn(5, 8)}


def other(**sizes):
    """Another network of the same shape, which must not be taken."""
    return networks.randomised(networks.TimmVit(**sizes), seed=9).state_dict()


def plain(state):
    return state


def deit(state):
    return {"model": state | {"head.weight": torch.randn(10, 32), "head.bias": torch.randn(10)}}


def dino(state):
    return {
        "student": prefixed(prefixed(other(), "backbone.") | head(), "module."),
        "teacher": prefixed(state, "backbone.") | head(),
        "optimizer": {"state": {0: {"step": 3, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 0.1}]},
        "epoch": 3,
        "args": argparse.Namespace(arch="vit_small", warmup_teacher_temp=0.04),
        "dino_loss": {"center": torch.zeros(1, 5)},
    }


def dino_student(state):
    saved = dino(other())
    return saved | {"student": prefixed(prefixed(state, "backbone.") | head(), "module.")}


def ibot_teacher(state):
    return {"state_dict": state | {"masked_embed": torch.ones(1, 32)} | head()}


def hssl(state):
    auxiliary = {"norm2.weight": torch.ones(32), "norm2.bias": torch.ones(32)}
    auxiliary["conv_blocks.0.dwconv.weight"] = torch.randn(32, 1, 7, 7)
    base = state | {"masked_embed": torch.ones(1, 32)} | auxiliary
    return {"teacher": prefixed(base, "backbone.") | head() | head("head.mlp2."), "epoch": 1}


def mae(state):
    decoder = {"mask_token": torch.ones(1, 1, 32), "decoder_pos_embed": torch.zeros(1, 17, 32)}
    decoder |= {"decoder_blocks.0.norm1.weight": torch.ones(32), "decoder_pred.bias": torch.ones(48)}
    return {"model": state | decoder, "epoch": 1, "args": argparse.Namespace(model="mae_vit")}


def mocov3(state):
    both = prefixed(state | {"head.0.weight": torch.randn(4, 32)}, "module.base_encoder.")
    both |= prefixed(other(), "module.momentum_encoder.") | {"module.predictor.0.weight": torch.randn(4, 4)}
    return {"epoch": 3, "arch": "vit_small", "state_dict": both}


def mocov3_momentum(state):
    both = prefixed(other(), "module.base_encoder.") | prefixed(state, "module.momentum_encoder.")
    return {"state_dict": both}


def dinov2(state):
    return state | {"mask_token": torch.ones(1, 32)}


def dinov2_chunks(state):
    """Training keeps blocks in chunks: "blocks.<chunk>.<index>."."""
    named = {}
    for name, tensor in dinov2(state).items():
        index = name.split(".")[1] if name.startswith("blocks.") else None
        named[name.replace("blocks.", f"blocks.{int(index) // 2}.") if index else name] = tensor
    return {"teacher": prefixed(named, "backbone.") | head("dino_head.") | head("ibot_head.")}


SCALED = {"scaled": True}
LAYOUTS = {
    "timm": (plain, {}, {}),
    "deit": (deit, {}, STATISTICS),
    "dino": (dino, {}, {}),
    "dino-student": (dino_student, {}, {"key": "student"}),
    "ibot": (ibot_teacher, {}, {}),
    "hssl": (hssl, {}, {}),
    "mae": (mae, {}, {}),
    "mocov3": (mocov3, {}, {}),
    "mocov3-momentum": (mocov3_momentum, {}, {"key": "momentum_encoder"}),
    "dinov2": (dinov2, SCALED, {}),
    "dinov2-training": (dinov2_chunks, SCALED, {}),
    "dinov2-registers": (dinov2, SCALED | {"registers": 4}, {}),
}


def assert_equal_features(jt, foreign, network, rng, sizes=(16, 24)):
    """CLS and patches of every block, at the native and at another image size."""
    from pipeline.models.foreign_backbone import foreign_backbone

    ours = foreign_backbone(foreign, "a file").network
    largest = 0.0
    for size in sizes:
        images = rng.normal(size=(2, 3, size, size)).astype(np.float32)
        with torch.no_grad():
            expected = network.features(torch.from_numpy(images))
        cls = ours.features(jt.array(images), 3)[0].numpy()
        # Of three blocks, taps are after the first, the first, the second and the third.
        taps = np.stack([x.numpy() for x in ours.taps(jt.array(images), normed=True)[1:]], axis=1)
        patches = taps.reshape(2, 3, -1, 32)
        assert np.abs(expected.cls.numpy()).max() > 1
        for found, wanted in ((cls, expected.cls), (patches, expected.patches)):
            largest = max(largest, np.abs(found - wanted.numpy()).max())
    print(f"largest difference {largest:.1e}")
    assert largest < TOLERANCE


@pytest.mark.parametrize("layout", LAYOUTS)
def test_features_of_every_block(jt, tmp_path, rng, layout):
    save, sizes, settings = LAYOUTS[layout]
    network = networks.randomised(networks.TimmVit(**sizes))
    path = tmp_path / "weights.pth"
    torch.save(save(dict(network.state_dict())), path)
    foreign = read_foreign(ForeignConfig(source=str(path), num_heads=2, **settings))
    config = foreign.config
    assert (config.depth, config.embed_dim, config.patch_size, config.image_size) == (3, 32, 4, 16)
    assert_equal_features(jt, foreign, network, rng)


@pytest.mark.parametrize("prefix", ["", "timm_model."])
def test_a_folder_of_timm(jt, tmp_path, rng, prefix):
    from safetensors.torch import save_file

    network = networks.randomised(networks.TimmVit())
    save_file(prefixed(network.state_dict(), prefix), tmp_path / "model.safetensors")
    config = {
        "architecture": "vit_tiny_patch16_224",
        "model_args": {"img_size": 16, "patch_size": 4, "embed_dim": 32, "depth": 3, "num_heads": 2},
        "num_classes": 0,
        "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    foreign = read_foreign(ForeignConfig(source=str(tmp_path)))
    assert foreign.mean.tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert_equal_features(jt, foreign, network, rng)


@pytest.mark.parametrize("family", ["vit", "dinov2"])
@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_a_folder_of_hugging_face(jt, tmp_path, rng, family, file):
    from safetensors.torch import save_file

    network = networks.randomised(networks.TimmVit(scaled=family == "dinov2"))
    named = {"vit": networks.hugging_face_names, "dinov2": networks.hugging_face_dinov2_names}[family]
    state = named(network.state_dict())
    if family == "vit":
        state["pooler.dense.weight"] = torch.randn(32, 32)
    (save_file if file.endswith("safetensors") else torch.save)(state, tmp_path / file)
    config = {"num_attention_heads": 2, "layer_norm_eps": 1e-6, "hidden_act": "gelu", "image_size": 16}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match="state mean and std"):
        read_foreign(ForeignConfig(source=str(tmp_path)))
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.5, 0.5, 0.5], "image_std": [0.2, 0.2, 0.2]})
    )
    foreign = read_foreign(ForeignConfig(source=str(tmp_path)))
    assert foreign.std.tolist() == pytest.approx([0.2] * 3)
    assert_equal_features(jt, foreign, network, rng)


def test_positions_resized_while_reading_are_those_that_the_network_resizes(jt, tmp_path, rng):
    network = networks.randomised(networks.TimmVit())
    torch.save(network.state_dict(), tmp_path / "w.pth")
    foreign = read_foreign(ForeignConfig(source=str(tmp_path / "w.pth"), num_heads=2, image_size=24))
    assert foreign.config.grid == (6, 6)
    assert any("16 px (4 x 4) to 24 px (6 x 6)" in line for line in foreign.notes)
    assert_equal_features(jt, foreign, network, rng, sizes=(24,))


def test_half_precision_and_positions_without_cls(jt, tmp_path, rng):
    network = networks.randomised(networks.TimmVit()).bfloat16().float()
    with torch.no_grad():
        network.pos_embed[:, 0] = 0
    state = {name: tensor.bfloat16() for name, tensor in network.state_dict().items()}
    state["pos_embed"] = state["pos_embed"][:, 1:]
    torch.save(state, tmp_path / "w.pth")
    foreign = read_foreign(ForeignConfig(source=str(tmp_path / "w.pth"), num_heads=2))
    assert_equal_features(jt, foreign, network, rng)


def test_heads(tmp_path):
    """MoCo v3's ViT-S has twelve, all others one for each 64 channels; and what cannot be known is asked."""
    state = networks.TimmVit(dim=384, depth=1).state_dict()
    for saved, heads in ((state, 6), (mocov3({**state}), 12)):
        torch.save(saved, tmp_path / "w.pth")
        assert read_foreign(ForeignConfig(source=str(tmp_path / "w.pth"))).config.num_heads == heads
    torch.save(networks.TimmVit().state_dict(), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="32 channels are no multiple of 64; state it"):
        read_foreign(ForeignConfig(source=str(tmp_path / "w.pth")))


def without(name):
    return lambda state: {key: tensor for key, tensor in state.items() if key != name}


def plus(name, *shape):
    return lambda state: state | {name: torch.zeros(*shape)}


MISFITS = {
    "a block's layer is missing": (without("blocks.1.attn.qkv.bias"), r"no tensor 'blocks.1.attn.qkv.bias'"),
    "the norm is missing": (without("norm.weight"), r"no tensor 'norm.weight'"),
    "unknown": (plus("adapter.weight", 3), r"belong to nothing known: \['adapter.weight'\]"),
    "a later block": (plus("blocks.4.norm1.weight", 32), r"nothing known: \['blocks.4.norm1.weight'\]"),
    "registers": (plus("register_tokens", 1, 4, 31), r"shape \(1, 4, 31\), expected \(1, 4, 32\)"),
    "no registers": (plus("register_tokens", 1, 0, 32), "expected 3 dimensions"),
    "rotary": (without("pos_embed"), "no 'pos_embed': a ViT with positions of another kind"),
    "SwiGLU": (plus("blocks.0.mlp.w12.weight", 8, 32), "SwiGLU"),
    "pooled": (plus("fc_norm.weight", 32), "pooling before the norm"),
    "wrong shape": (
        plus("blocks.2.norm2.bias", 31),
        r"2.norm2.bias' has shape \(31,\), expected \(32,\)",
    ),
    "grid": (plus("pos_embed", 1, 13, 32), "no square grid"),
    "integers": (lambda state: state | {"norm.bias": torch.zeros(32, dtype=torch.int64)}, "int64, expected"),
    "not finite": (lambda state: state | {"norm.bias": torch.full((32,), np.nan)}, "not finite"),
    "a classifier": (plus("head.weight", 10, 32), "state mean and std"),
    "ResNet-D": (
        lambda _: {"layer1.0.conv1.weight": torch.zeros(1), "conv1.0.weight": torch.zeros(1)},
        "a stem of several convolutions",
    ),
    "Detectron's ResNet": (
        lambda _: {"backbone.bottom_up.res2.0.conv1.weight": torch.zeros(1)},
        "a ResNet of Detectron, which may stride in its 1 x 1 convolutions",
    ),
    "nothing known": (lambda _: {"w": torch.zeros(1)}, "names of no known layout: .'w'."),
    "several": (lambda state: {"model": state, "state_dict": state}, "several networks; choose with key"),
    "an unknown entry": (lambda state: {"arm": state}, r"choose with key, from \['arm'\]"),
    "no tensors": (lambda _: {"epoch": 3}, "nothing that holds tensors"),
    "a list": (lambda state: list(state.values()), "no named tensors"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_every_tensor_is_accounted_for(tmp_path, misfit):
    changed, message = MISFITS[misfit]
    torch.save(changed(dict(networks.TimmVit().state_dict())), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=message) as error:
        read_foreign(ForeignConfig(source=str(tmp_path / "w.pth"), num_heads=2))
    assert "w.pth: " in str(error.value)
    assert "\n" not in str(error.value)


def test_what_was_left_out_is_said(tmp_path):
    torch.save(dino(dict(networks.TimmVit().state_dict())), tmp_path / "w.pth")
    notes = read_foreign(ForeignConfig(source=str(tmp_path / "w.pth"), num_heads=2)).notes
    assert notes[:2] == ("taken: 'teacher'", "left out: heads (2 tensors)")


def test_shapes_of_any_kind_end_in_one_kind_of_error(tmp_path, rng):
    """Every tensor in turn has another number of dimensions, or none."""
    state = dict(networks.TimmVit(depth=1).state_dict())
    for name in state:
        for shape in ((), (0,), (1,), (2, 3), (1, 0, 32), (1, 2, 3, 4, 5)):
            torch.save(state | {name: torch.zeros(shape)}, tmp_path / "w.pth")
            with pytest.raises(WeightsError):
                read_foreign(ForeignConfig(source=str(tmp_path / "w.pth"), num_heads=2))
