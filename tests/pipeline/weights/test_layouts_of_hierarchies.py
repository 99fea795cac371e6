"""Swin and ConvNeXt by timm's and by their authors' names: features equal those of a network in PyTorch."""

import numpy as np
import pytest

from pipeline.config.weights import ForeignConfig
from pipeline.weights.error import WeightsError
from pipeline.weights.foreign import read_foreign

torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
from tests.pipeline.weights import torch_hierarchies as networks  # noqa: E402
from tests.pipeline.weights.torch_networks import randomised  # noqa: E402

TOLERANCE = 1e-4
HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
LAYOUTS = {
    "swin-timm": (networks.TimmSwin, networks.plain, (64, 128)),
    "swin-authors": (networks.TimmSwin, networks.swin_of_authors, (64,)),
    "convnext-timm": (networks.TimmConvNext, networks.plain, (64, 96)),
    "convnext-authors": (networks.TimmConvNext, networks.convnext_of_authors, (64,)),
    "resnet-torchvision": (networks.TorchvisionResNet, networks.plain, (64, 96)),
    "resnet-bottlenecks": (networks.Bottlenecks, networks.plain, (64,)),
    "resnet-moco": (networks.Bottlenecks, networks.moco, (64,)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pooled_vector_and_patches(jt, tmp_path, rng, layout):
    from pipeline.models.foreign_backbone import foreign_backbone

    make, save, sizes = LAYOUTS[layout]
    network = randomised(make())
    torch.save(save(dict(network.state_dict())), tmp_path / "w.pth")
    config = ForeignConfig(source=str(tmp_path / "w.pth"), image_size=network.image_size, **HALF)
    ours = foreign_backbone(read_foreign(config), "a file").network
    for size in sizes:
        images = rng.normal(size=(2, 3, size, size)).astype(np.float32)
        tokens = ours(jt.array(images))
        with torch.no_grad():
            expected = network.features(torch.from_numpy(images))
        assert expected[0].abs().max() > 0.5
        for found, wanted in zip((tokens.cls, tokens.patches), expected, strict=True):
            difference = np.abs(found.numpy() - wanted.numpy()).max()
            print(f"{size} px: {difference:.1e}")
            assert difference < TOLERANCE


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout != "resnet-moco"])
def test_shapes_of_any_kind_end_in_one_kind_of_error(tmp_path, layout):
    make, save, _ = LAYOUTS[layout]
    saved = save(dict(make().state_dict()))
    state = saved.get("model", saved)
    unread = ("index", "mask", "head.weight", "head.bias", "fc.weight", "fc.bias", "num_batches_tracked")
    config = ForeignConfig(source=str(tmp_path / "w.pth"), image_size=make().image_size, **HALF)
    for name in [name for name in state if not name.endswith(unread)][::7]:
        for shape in ((), (0,), (2, 3), (1, 2, 3, 4, 5)):
            torch.save(state | {name: torch.zeros(shape)}, tmp_path / "w.pth")
            with pytest.raises(WeightsError):
                read_foreign(config)


def test_windows_of_another_image_size_are_refused(tmp_path):
    torch.save(networks.TimmSwin().state_dict(), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"windows of \[4, 4, 4, 2\] positions a side .* at 224 pixels"):
        read_foreign(ForeignConfig(source=str(tmp_path / "w.pth")))
