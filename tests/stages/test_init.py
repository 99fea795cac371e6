"""`doit run init`: from a folder to a file that `doit run all` takes, without Jittor."""

import numpy as np
import pytest
from PIL import Image

from pipeline.config.reading import read_experiment


@pytest.fixture
def init(tmp_path, monkeypatch, capfd):
    """Run it with its results in a folder of the test; return the exit code and what it printed."""
    from stages import init as stage

    monkeypatch.setattr(stage, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(stage, "product_rate", lambda threads: 1e11)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = stage.main(list(arguments))
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


def photos(folder, rng, size=(70, 90), num=40, classes=("cat", "dog")):
    for name in classes:
        for index in range(num):
            path = folder / name / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(path)
    return folder


def test_a_folder_of_classes_becomes_an_experiment(init, tmp_path, rng):
    source = photos(tmp_path / "my photos", rng)
    code, printed, _ = init(f"data={source}", "hours=3", "out=mine.toml")
    assert code == 0
    experiment = read_experiment(str(tmp_path / "mine.toml"))
    assert experiment.name == "mine"
    assert experiment.data.source == str(source)
    assert experiment.segmentation is experiment.detection is experiment.dense_probe is None
    assert experiment.backbone.image_size == experiment.features.crop_size == 64  # of shorter sides of 70
    assert experiment.schedule.batch_size == 32  # of 58 training images
    # Without its start, which happens once, an epoch of 58 images takes so little that the limit is reached.
    assert experiment.schedule.epochs == 1000
    text = (tmp_path / "mine.toml").read_text()
    assert "2 classes" in text
    assert "# Shorter sides of the images: 70 to 70 px, median 70." in text
    assert "wrote mine.toml; it will take about" in printed
    assert "doit run all experiment=mine.toml" in printed
    below = printed.partition(text)[2]
    assert "caution: only " in below
    assert "take longer than" not in below


def test_images_without_labels_and_too_few_hours_are_said_below_the_file(init, tmp_path, rng):
    source = photos(tmp_path / "flat", rng, classes=("",))
    code, printed, _ = init(f"data={source}", "hours=0.001", "out=flat.toml")
    assert code == 0
    below = printed.partition((tmp_path / "flat.toml").read_text())[2]
    cautions = [line for line in below.splitlines() if line.startswith("caution: ")]
    assert len(cautions) == 3
    assert cautions[0].startswith("caution: no labels")
    assert cautions[1].startswith("caution: fewer than 1500 steps")
    assert cautions[2] == "caution: the least of these stages take longer than 0.001 h"


@pytest.mark.slow
def test_label_maps_are_segmented(init, tmp_path, rng):
    root = tmp_path / "maps"
    for index in range(24):
        for folder, image in (
            ("images", rng.integers(0, 256, (64, 64, 3), np.uint8)),
            ("masks", np.repeat(np.uint8([[0, 1]]), 32, axis=1).repeat(64, axis=0)),
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(root / folder / f"{index}.png")
    code, _, error = init(f"data={root}", "hours=5", "out=maps.toml")
    assert (code, error.count("\n") > 20) == (0, False), error
    experiment = read_experiment(str(tmp_path / "maps.toml"))
    assert experiment.segmentation.data.source == str(root)
    assert experiment.detection is None
    assert experiment.segmentation.view.crop_size == 64
    assert experiment.segmentation.schedule.num_steps == 1200
    init(f"data={root}", "hours=0.1", "out=short.toml")  # six segmenters do not fit into 0.4 of 6 minutes
    assert 200 <= read_experiment(str(tmp_path / "short.toml")).segmentation.schedule.num_steps < 1200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "usage: doit run init data=FOLDER"),
        (("data=nowhere",), "data=nowhere: no such file or folder"),
        (("data=.", "hours=0"), "hours=0: expected a number of hours above 0"),
        (("data=.", "minutes=5"), "usage: doit run init"),
        (("data=.", "out=there.toml"), "there.toml is there already"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(init, tmp_path, arguments, message):
    (tmp_path / "there.toml").write_text("mine")
    code, _, error = init(*arguments)
    assert code == 1
    assert message in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.glob("*.toml")] == ["there.toml"]
    assert (tmp_path / "there.toml").read_text() == "mine"


def test_a_folder_without_images_leaves_no_file(init, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, error = init("data=empty")
    assert code == 1
    assert "no images found" in error
    assert not list(tmp_path.glob("*.toml"))
