import math
import tracemalloc

import pytest

from benchmarks.growth import AXES, Point, fitted_exponent
from benchmarks.growth_report import write_growth
from benchmarks.image_axes import IMAGE_AXES
from benchmarks.imagenet_cost import imagenet_cost
from benchmarks.programs import PROGRAMS


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.0])
def test_the_exponent_of_a_power_law_is_found(exponent):
    values = [2, 4, 16, 64]
    assert fitted_exponent(values, [3 * value**exponent for value in values]) == pytest.approx(exponent)


def test_the_nearest_exponent_in_logarithms():
    """Through (1, 1), (e, e), (e^2, e^4): slope of the line nearest to (0, 0), (1, 1), (2, 4) is 2."""
    assert fitted_exponent([1, math.e, math.e**2], [1, math.e, math.e**4]) == pytest.approx(2)


@pytest.mark.parametrize(("values", "measured"), [([2, 2], [1, 1]), ([1, 2], [0, 1]), ([1], [1])])
def test_no_exponent_of_too_little(values, measured):
    with pytest.raises(ValueError, match="power law"):
        fitted_exponent(values, measured)


def test_imagenet_by_arithmetic():
    """ViT-B costs about four times ViT-S; 4 x 17.6 G multiplications x 2 crops is its floor."""
    small, base = imagenet_cost("small", 0, 100.0), imagenet_cost("base", 0, 100.0)
    assert 3.3 < base.operations / small.operations < 4.1
    per_image = base.operations / (100 * 1_281_167)
    assert 8 * 2 * 17.5e9 < per_image < 1.3 * 8 * 2 * 17.5e9
    assert base.cpu_seconds == pytest.approx(base.operations / 100e9)
    assert base.gpu_seconds == pytest.approx(base.operations / (312e12 * 0.35))
    assert base.gpu_seconds / base.eight_gpus_seconds == pytest.approx(7.2)
    assert imagenet_cost("small", 6, None).operations > small.operations
    assert imagenet_cost("small", 6, None).cpu_seconds is None


def test_axes_are_told_to_programs_that_there_are(tmp_path):
    from benchmarks.step_sizes import step_config

    assert all(axis.program in PROGRAMS for axis in AXES)
    batch, tokens, prototypes = AXES[:3]
    assert step_config("toy", batch.parameters(8)["changes"]).schedule.batch_size == 8
    config = step_config("toy", tokens.parameters(144)["changes"])
    assert (config.backbone.image_size // config.backbone.patch_size) ** 2 == 144
    config = step_config("toy", prototypes.parameters(64)["changes"])
    assert config.projection_head.num_prototypes == 64


def test_the_report(tmp_path):
    points = [Point(8, 1.0, 10.0), Point(16, 2.0, 10.0)]
    write_growth(tmp_path, [(AXES[0], points)], {"processor": "P"}, None)
    text = (tmp_path / "scaling.md").read_text()
    assert "| batch   | 8, 16    | 1, 2      | 1.00 " in text
    assert "not measured" in text
    assert "ViT-B/16, 2 x 224 px" in text


@pytest.mark.parametrize(
    "axis",
    [
        pytest.param(
            axis,
            id=f"{axis.program} {axis.quantity}",
            marks=[pytest.mark.slow] if axis.program in ("reported-images", "idle-graph") else [],
        )
        for axis in IMAGE_AXES
    ],
)
def test_growth_with_images_is_measured_and_goes_as_far_as_it_is_meant_to(axis, tmp_path):
    assert axis.chosen_values("usual") == axis.values
    assert axis.chosen_values("toy") == axis.toy_values
    assert max(axis.chosen_values("large")) > max(axis.values)
    program = PROGRAMS[axis.program].load(axis.parameters(axis.toy_values[0]) | {"threads": 1}, tmp_path)
    assert [program.repeat() > 0 for _ in range(2)] == [True, True]
    if axis.program == "idle-graph":  # the commands' memory, not this process's
        assert program.extra["start_mib"] == 0 < program.peak_mib
    else:
        assert program.extra["start_mib"] > 0


def test_an_opened_set_holds_less_than_200_bytes_an_image(tmp_path):
    """All that opening allocates: NumPy reports its arrays to tracemalloc."""
    count = 20_000
    program = PROGRAMS["opened-set"].load({"images": count}, tmp_path)
    program.repeat()
    tracemalloc.start()
    try:
        program.repeat()
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 60 * count < held < 120 * count
    assert most < 200 * count


def test_the_report_says_how_many_bytes_one_more_takes(tmp_path):
    points = [Point(1000, 1.0, 10.0), Point(2000, 2.0, 10.0 + 150_000 / 2**20)]
    write_growth(tmp_path, [(IMAGE_AXES[0], points)], {}, None)
    assert "| 150 " in (tmp_path / "scaling.md").read_text()
