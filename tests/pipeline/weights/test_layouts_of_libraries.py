"""Networks that torchvision, transformers and timm build, with random weights, saved by their own code.

Each is read and has equal features after every block (ViT) or stage, at its own and another size; or is
refused in one line. A library that is not installed skips its own.
"""

import pytest

from pipeline.config.weights import ForeignConfig
from pipeline.weights.error import WeightsError
from pipeline.weights.foreign import read_foreign

torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
from tests.pipeline.weights.features_beside import (  # noqa: E402
    channels_first,
    difference_of_stages,
    difference_of_tokens,
    held,
    recorded,
    without_registers,
)
from tests.pipeline.weights.torch_networks import randomised  # noqa: E402

pytestmark = pytest.mark.slow
HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
VIT = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip


def with_statistics(network):
    """Batch norms of which no number is the one that it starts with."""
    generator = torch.Generator().manual_seed(5)
    for name, buffer in network.named_buffers():
        if "running" in name:
            buffer.copy_(torch.rand(buffer.shape, generator=generator) + (0.5 if "var" in name else -0.5))
    return randomised(network)


# torchvision


def torchvision_vit(vision):
    network = vision.VisionTransformer(
        image_size=32, patch_size=8, num_layers=3, num_heads=2, hidden_dim=32, mlp_dim=64, num_classes=5
    )

    def compute(images):
        return [network.encoder.ln(x) for x in recorded(network, network.encoder.layers, images)]

    return network, compute, (32,), difference_of_tokens, {"num_heads": 2}


def torchvision_swin(vision):
    network = vision.SwinTransformer(
        patch_size=[4, 4], embed_dim=16, depths=[2, 1, 2, 1], num_heads=[2, 4, 8, 16], window_size=[2, 2]
    )

    def compute(images):
        stages = recorded(network, network.features[1::2], images)
        return [*channels_first(stages), network.norm(stages[-1]).mean((1, 2))]

    return network, compute, (64, 128), difference_of_stages, {"image_size": 64}


def torchvision_convnext(vision):
    blocks = [
        vision.convnext.CNBlockConfig(16 * 2**i, 32 * 2**i if i < 3 else None, 1 + i % 2) for i in range(4)
    ]
    network = vision.ConvNeXt(blocks)

    def compute(images):
        stages = recorded(network, network.features[1::2], images)
        return [*stages, network.classifier[0](stages[-1].mean((2, 3), keepdim=True))]

    return network, compute, (64, 96), difference_of_stages, {}


def torchvision_resnet(vision):
    network = vision.resnet50()

    def compute(images):
        layers = [getattr(network, f"layer{index}") for index in range(1, 5)]
        stages = recorded(network, layers, images)
        return [*stages, stages[-1].mean((2, 3))]

    return network, compute, (64, 96), difference_of_stages, HALF


@pytest.mark.parametrize(
    "make", [torchvision_vit, torchvision_swin, torchvision_convnext, torchvision_resnet]
)
def test_torchvision(jt, rng, tmp_path, make):
    vision = pytest.importorskip("torchvision").models
    network, compute, sizes, difference, settings = make(vision)
    with_statistics(network)
    if make is torchvision_resnet:  # a hundred layers of drawn numbers would grow without bound
        for name, parameter in network.named_parameters():
            parameter.data *= 0.5 if "bn3" in name else 1
    torch.save(network.state_dict(), tmp_path / "w.pth")
    held(jt, rng, ForeignConfig(source=str(tmp_path / "w.pth"), **settings), compute, sizes, difference)


# transformers


def hugging_face_vit(transformers, eps=1e-6):
    network = transformers.ViTModel(transformers.ViTConfig(**VIT, layer_norm_eps=eps))
    blocks = network.encoder if hasattr(network, "encoder") else network
    blocks = getattr(blocks, "layer", None) or network.layers

    def compute(images):
        maps = recorded(network, blocks, images, interpolate_pos_encoding=True)
        return [network.layernorm(x) for x in maps]

    return network, compute, (32, 48), difference_of_tokens


def hugging_face_vit_as_it_comes(transformers):
    """Norms with 1e-12."""
    return hugging_face_vit(transformers, 1e-12)


def hugging_face_mae(transformers):
    config = transformers.ViTMAEConfig(
        **VIT, mask_ratio=0.0, decoder_hidden_size=16, decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2, decoder_intermediate_size=16,
    )  # fmt: skip
    network = transformers.ViTMAEForPreTraining(config)

    def compute(images):
        noise = torch.arange(16.0)[None].expand(len(images), -1)
        output = network.vit(images, noise=noise, output_hidden_states=True)
        # Of transformers 5, the last hidden state is normed already.
        before = output.hidden_states[1:3]
        return [*(network.vit.layernorm(x) for x in before), output.last_hidden_state]

    return network, compute, (32,), difference_of_tokens


def hugging_face_dinov2(transformers):
    config = {name: value for name, value in VIT.items() if name != "intermediate_size"}
    network = transformers.Dinov2Model(transformers.Dinov2Config(**config, mlp_ratio=2))
    blocks = network.encoder.layer if hasattr(network, "encoder") else network.layers

    def compute(images):
        return [network.layernorm(x) for x in recorded(network, blocks, images)]

    return network, compute, (32, 48), difference_of_tokens


def hugging_face_registers(transformers):
    config = {name: value for name, value in VIT.items() if name != "intermediate_size"}
    config = transformers.Dinov2WithRegistersConfig(**config, mlp_ratio=2, num_register_tokens=3)
    network = transformers.Dinov2WithRegistersModel(config)
    blocks = network.encoder.layer if hasattr(network, "encoder") else network.layers

    def compute(images):
        return [without_registers(network.layernorm(x), 3) for x in recorded(network, blocks, images)]

    return network, compute, (32,), difference_of_tokens


def hugging_face_deit(transformers):
    network = transformers.DeiTModel(transformers.DeiTConfig(**VIT, layer_norm_eps=1e-6))
    blocks = network.encoder.layer if hasattr(network, "encoder") else network.layers

    def compute(images):
        return [without_registers(network.layernorm(x), 1) for x in recorded(network, blocks, images)]

    return network, compute, (32,), difference_of_tokens


def hugging_face_swin(transformers):
    config = transformers.SwinConfig(
        image_size=64, patch_size=4, embed_dim=16, depths=[2, 1, 2, 1], num_heads=[2, 4, 8, 16], window_size=2
    )
    network = transformers.SwinModel(config)

    def compute(images):
        lasts = [stage.blocks[-1] for stage in network.encoder.layers]
        side = images.shape[2] // 4
        maps = recorded(network, lasts, images)
        sides = [side // 2**stage for stage in range(4)]
        maps = [x.unflatten(1, (each, each)) for x, each in zip(maps, sides, strict=True)]
        return [*channels_first(maps), network.layernorm(maps[-1].flatten(1, 2)).mean(1)]

    return network, compute, (64, 128), difference_of_stages


def hugging_face_convnext(transformers):
    config = transformers.ConvNextConfig(hidden_sizes=[16, 32, 64, 128], depths=[1, 2, 1, 2])
    network = transformers.ConvNextModel(config)

    def compute(images):
        maps = recorded(network, network.encoder.stages, images)
        return [*maps, network.layernorm(maps[-1].mean((2, 3)))]

    return network, compute, (64, 96), difference_of_stages


def hugging_face_resnet(transformers):
    config = transformers.ResNetConfig(
        embedding_size=16, hidden_sizes=[16, 32, 64, 128], depths=[1, 2, 1, 1], layer_type="basic"
    )
    network = transformers.ResNetModel(config)

    def compute(images):
        maps = recorded(network, network.encoder.stages, images)
        return [*maps, maps[-1].mean((2, 3))]

    return network, compute, (64, 96), difference_of_stages


READ = [
    hugging_face_vit, hugging_face_vit_as_it_comes, hugging_face_mae, hugging_face_dinov2,
    hugging_face_registers, hugging_face_deit, hugging_face_swin, hugging_face_convnext, hugging_face_resnet,
]  # fmt: skip


@pytest.mark.parametrize("make", READ)
def test_a_folder_of_transformers(jt, rng, tmp_path, make):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    network, compute, sizes, difference = make(transformers)
    network = with_statistics(network)
    network.save_pretrained(tmp_path, max_shard_size="20KB" if make is hugging_face_vit else "5GB")
    transformers.ViTImageProcessor(image_mean=[0.1, 0.2, 0.3], image_std=[0.4, 0.5, 0.6]).save_pretrained(
        tmp_path
    )
    if make is hugging_face_vit:
        assert (tmp_path / "model.safetensors.index.json").is_file()
    config = ForeignConfig(source=str(tmp_path))
    assert read_foreign(config).mean.tolist() == pytest.approx([0.1, 0.2, 0.3])
    held(jt, rng, config, compute, sizes, difference)


SMALL_SWIN = {"image_size": 64, "patch_size": 4, "embed_dim": 16, "depths": [1] * 4, "num_heads": [2] * 4}
REFUSED = {
    "DINOv3ViT": (VIT, "rotary positions and register tokens"),
    "Beit": (VIT, "blocks of BEiT"),
    "Data2VecVision": (VIT, "blocks of BEiT"),
    "Swinv2": (SMALL_SWIN, "blocks of Swin V2"),
    "ConvNextV2": ({"hidden_sizes": [16, 32, 64, 128], "depths": [1] * 4}, "ConvNeXt V2"),
    "SiglipVision": (VIT, "no CLS token"),
    "CLIPVision": (VIT, "a norm before the blocks"),
}


@pytest.mark.parametrize("alone", [False, True], ids=["folder", "file"])
@pytest.mark.parametrize("name", REFUSED)
def test_transformers_without_a_counterpart(tmp_path, name, alone):
    """By config.json, and by the tensors where the file is alone."""
    transformers = pytest.importorskip("transformers")
    numbers, words = REFUSED[name]
    network = getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**numbers))
    network.save_pretrained(tmp_path)
    source = tmp_path / "model.safetensors" if alone else tmp_path
    with pytest.raises(WeightsError, match="no counterpart|without a CLS token" if alone else words) as error:
        read_foreign(ForeignConfig(source=str(source), num_heads=2, **HALF))
    print(error.value)
    assert "\n" not in str(error.value)


# timm


TIMM_VIT = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 3, "num_heads": 2, "mlp_ratio": 2}


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"init_values": 0.1}, {"qkv_bias": False}, {"no_embed_class": True},
        {"reg_tokens": 4, "no_embed_class": True, "init_values": 0.1}, {"reg_tokens": 2},
    ],
    ids=str,
)  # fmt: skip
def test_vits_of_timm(jt, rng, tmp_path, changes):
    timm = pytest.importorskip("timm")
    network = timm.models.VisionTransformer(**TIMM_VIT, num_classes=0, **changes)
    randomised(network)
    torch.save({"state_dict": network.state_dict()}, tmp_path / "w.pth")

    def compute(images):
        maps = recorded(network, network.blocks, images)
        return [without_registers(network.norm(x), network.num_reg_tokens) for x in maps]

    config = ForeignConfig(source=str(tmp_path / "w.pth"), num_heads=2)
    held(jt, rng, config, compute, (32,), difference_of_tokens)


def test_a_distilled_deit_of_timm(jt, rng, tmp_path):
    deit = pytest.importorskip("timm.models.deit")
    network = randomised(deit.VisionTransformerDistilled(**TIMM_VIT, num_classes=3))
    torch.save({"model": network.state_dict()}, tmp_path / "w.pth")

    def compute(images):
        return [without_registers(network.norm(x), 1) for x in recorded(network, network.blocks, images)]

    config = ForeignConfig(source=str(tmp_path / "w.pth"), num_heads=2, **HALF)
    held(jt, rng, config, compute, (32,), difference_of_tokens)
    assert any("distillation token is a register" in line for line in read_foreign(config).notes)


TIMM_REFUSED = {
    "no CLS": ({"class_token": False, "global_pool": "avg"}, "without a CLS token|pooling before the norm"),
    "pooled": ({"global_pool": "avg"}, "pooling before the norm"),
    "attention": ({"class_token": False, "global_pool": "map"}, "pooling by attention"),
    "norms of queries": ({"qk_norm": True}, "norms of queries and keys"),
}


@pytest.mark.parametrize("name", TIMM_REFUSED)
def test_vits_of_timm_without_a_counterpart(tmp_path, name):
    timm = pytest.importorskip("timm")
    changes, words = TIMM_REFUSED[name]
    network = timm.models.VisionTransformer(**TIMM_VIT, num_classes=3, **changes)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=words) as error:
        read_foreign(ForeignConfig(source=str(tmp_path / "w.pth"), num_heads=2, **HALF))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vit_base_patch16_siglip_224", "pooling by attention|without a CLS token"),
        ("vit_small_patch16_dinov3", "BEiT|rotary|positions of another kind"),
        ("beit_base_patch16_224", "blocks of BEiT|relative positions"),
        ("eva02_tiny_patch14_224", "SwiGLU|BEiT|rotary"),
        ("swinv2_tiny_window8_256", "Swin V2"),
        ("convnextv2_atto", "ConvNeXt V2"),
        ("resnet50d", "a stem of several convolutions"),
        ("seresnet50", "squeeze and excitation"),
        ("regnetx_002", "no known layout"),
        ("mixer_s32_224", "no known layout"),
    ],
)
def test_published_names_of_timm_without_a_counterpart(tmp_path, name, words):
    timm = pytest.importorskip("timm")
    torch.save(timm.create_model(name).state_dict(), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=words) as error:
        read_foreign(ForeignConfig(source=str(tmp_path / "w.pth"), **HALF))
    print(error.value)
    assert "\n" not in str(error.value)
