"""What was exported, computed by the programs that it is for; each is skipped where it is not installed."""

import numpy as np
import pytest

from pipeline.export import comparison
from pipeline.export.comparison import compared
from pipeline.export.error import ExportError
from pipeline.export.formats import FORMATS, has_normed_patches
from pipeline.export.other_programs import OTHER_PROGRAMS
from tests.pipeline.export.test_layouts import described  # noqa: F401

CASES = [
    *[("vit", form) for form in FORMATS],
    ("vit-registers", "timm"), ("vit-registers", "torch"), ("vit-registers", "onnx"),
    *[(kind, "hf") for kind in ("swin", "convnext", "resnet-batch")],
    *[(kind, "onnx") for kind in ("swin", "convnext", "resnet", "resnet-batch")],
    ("swin", "timm"), ("swin", "torch"), ("convnext", "timm"), ("convnext", "torch"), ("resnet", "torch"),
    ("resnet-batch", "timm"), ("resnet-batch", "torch"),
]  # fmt: skip


def exported(base, form, folder):
    """Write it; pixels, and what this project computes of them."""
    from pipeline.export.own_outputs import computed_here
    from pipeline.models.backbone_file import FrozenBackbone
    from pipeline.models.backbones import build_backbone
    from pipeline.models.weights import assign_arrays

    network = build_backbone(base.config)
    assign_arrays(network, base.arrays, "a test")
    FORMATS[form].write(base, folder)
    size = base.config.image_size
    pixels = np.random.default_rng(1).random((3, 3, size, size), np.float32)
    frozen = FrozenBackbone(network, base.config, "random", base.mean, base.std)
    normed = has_normed_patches(form, base.config.kind)
    return pixels, computed_here(frozen, base, pixels, normed_patches=normed)


@pytest.mark.parametrize(("kind", "form"), CASES)
def test_the_other_side_computes_the_same(described, tmp_path, kind, form):  # noqa: F811
    for side in OTHER_PROGRAMS[form]:
        if reason := comparison.missing(side.packages):
            pytest.skip(reason)
    if needs := FORMATS[form].needs:
        pytest.importorskip(needs)
    base = described(kind)
    # Small enough that the features are of the size of a trained network's.
    for array in base.arrays.values():
        array *= 0.1 if array.ndim > 1 else 0.5
    lines = compared(form, tmp_path, base, *exported(base, form, tmp_path))
    print("\n".join(lines))
    assert not any("not checked" in line for line in lines)


def test_a_program_that_is_missing_is_named(described, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(comparison, "find_spec", lambda package: None)
    base = described("vit")
    lines = compared("timm", tmp_path, base, *exported(base, "timm", tmp_path))
    assert lines[0] == "not checked: timm is not installed; pip install timm"


def test_another_result_is_an_error(described, tmp_path, monkeypatch):  # noqa: F811
    base = described("vit")
    pixels, ours = exported(base, "timm", tmp_path)
    theirs = ours[0] + np.float32(2e-4), ours[1]
    side = comparison.OtherProgram("theirs", ("numpy",), lambda *given: theirs)
    monkeypatch.setitem(comparison.OTHER_PROGRAMS, "timm", (side,))
    with pytest.raises(ExportError, match=r"global vectors 2\.0e-04, .*more than 0\.0001, so nothing"):
        compared("timm", tmp_path, base, pixels, ours)
