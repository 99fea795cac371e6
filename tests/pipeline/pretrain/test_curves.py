from PIL import Image

from pipeline.pretrain.curves import draw_curves


def test_draws_a_picture_of_the_promised_size(tmp_path):
    line = {
        "loss": 4.0,
        "loss_base_cls": 3.0,
        "teacher_entropy": 1.0,
        "prototype_entropy": 2.0,
        "feature_spread": 0.5,
    }
    draw_curves(tmp_path / "loss.png", [{"step": step, **line} for step in (1, 2)], num_prototypes=16)
    with Image.open(tmp_path / "loss.png") as picture:
        assert picture.size == (1200, 400)


def test_a_monitored_run_has_a_second_row(tmp_path):
    line = {"loss": 4.0, "teacher_entropy": 1.0, "prototype_entropy": 2.0, "feature_spread": 0.5}
    seen = {"monitor_rankme": 12.0, "monitor_alignment": 0.5, "monitor_uniformity": -2.0}
    lines = [{"step": step, **line, **(seen if step % 2 else {})} for step in (1, 2, 3)]
    draw_curves(tmp_path / "loss.png", lines, num_prototypes=16)
    with Image.open(tmp_path / "loss.png") as picture:
        assert picture.size == (1200, 800)
