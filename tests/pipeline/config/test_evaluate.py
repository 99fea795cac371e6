"""[[evaluate]]: what it asks of the data, and mistakes in one line before anything is read."""

import pytest

from pipeline.config.experiment import Experiment
from pipeline.config.reading import ConfigError, read_experiment

FLOWERS = {"name": "flowers", "data": {"source": "folder/jpg"}}


def written(folder, text):
    path = folder / "my.toml"
    path.write_text(f'extends = "smoke"\n{text}')
    return str(path)


def test_few_shots_ask_for_images_of_one_class(tmp_path):
    few = {"name": "flowers", "tasks": ["knn", "few-shot"], "data": {"source": "f"}}
    (section,) = Experiment(name="e", evaluate=[few]).evaluate
    assert section.prepared_data().labels == "one"
    (section,) = Experiment(name="e", evaluate=[{**few, "tasks": ["knn"]}]).evaluate
    assert section.prepared_data().labels is None
    for several in ({"labels": "several"}, {"label_separator": " "}):
        with pytest.raises(ValueError, match="flowers: few-shot takes images of one class each"):
            Experiment(name="e", evaluate=[{**few, "data": {"source": "f", **several}}])


def test_a_file_lists_data_sets_whose_sources_count_from_it(tmp_path):
    text = '[[evaluate]]\nname = "flowers"\ndata = { source = "f" }\n[[evaluate]]\nname = "pets"\n'
    text += 'tasks = ["few-shot"]\n[evaluate.data]\nsource = "p"\n'
    flowers, pets = read_experiment(written(tmp_path, text)).evaluate
    assert (flowers.name, flowers.data.source) == ("flowers", f"{tmp_path}/f")
    assert flowers.tasks == ("knn", "linear")
    assert (pets.name, pets.tasks, pets.data.source) == ("pets", ("few-shot",), f"{tmp_path}/p")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tasks": ["knn", "knnn"]}, r"unknown tasks \['knnn'\]; choose from \['features', 'knn'"),
        ({"tasks": ["knn", "knn"]}, "no entry twice"),
        ({"tasks": []}, "at least one entry"),
        ({"tasks": ["segment", "knn"]}, "flowers: knn needs a class of every image and segment needs label"),
        ({"data": {"source": "f", "annotation": "objects"}}, 'knn needs .* data.annotation is "objects"'),
        (
            {"tasks": ["detect"], "data": {"source": "photo-scenes"}},
            'flowers: detect needs objects: expected data.photo_scenes.drawing = "objects", found "patches"',
        ),
        ({"data": {"source": "f", "normalization": "dataset"}}, "flowers: data.normalization: images are"),
        ({"name": "images"}, "own images are called 'images'"),
        ({"name": "own"}, "own images are called 'own'"),
        ({"name": "10pct"}, "String should match pattern"),
        ({"crop_size": 30}, "evaluate flowers: crop_size 30 is not divisible by 16"),
        ({"resize": 192}, "evaluate flowers: resize 192 must be at least crop_size 224"),
        ({"tasks": ["finetune"]}, r"evaluate flowers: finetune is done as \[finetune\] says, and the"),
        ({"tasks": ["segment"]}, r"segment is done as \[segmentation\] says"),
        ({"data": {"sourc": "f"}}, "evaluate.0.data.sourc"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(changes, words):
    settings = {"name": "e", "data": {"source": "of/own.tar.gz"}, "evaluate": [FLOWERS | changes]}
    with pytest.raises(ValueError, match=words):
        Experiment.model_validate(settings)


def test_a_name_is_there_once_and_gives_no_two_runs_one_name():
    with pytest.raises(ValueError, match="the name 'flowers' is given twice"):
        Experiment(name="e", evaluate=(FLOWERS, FLOWERS))
    arms = ("ibot", "hssl-ibot")
    weights = {"hssl-ibot": {"source": "w", "sha256": "0", "mean": (0.5,) * 3, "std": (0.5,) * 3}}
    with pytest.raises(ValueError, match="two runs would be called 'hssl-ibot'"):
        Experiment(name="e", arms=arms, weights=weights, evaluate=(FLOWERS | {"name": "hssl"},))


def test_mistakes_name_their_key(tmp_path):
    with pytest.raises(ConfigError, match="in double brackets"):
        read_experiment(written(tmp_path, '[evaluate]\nname = "flowers"\ndata = { source = "f" }\n'))
    text = '[[evaluate]]\nname = "f"\ntask = ["knn"]\ndata = { source = "f" }\n'
    with pytest.raises(ConfigError, match=r"evaluate.0.task: unknown key; did you mean 'tasks'\?"):
        read_experiment(written(tmp_path, text))


def test_preparing_is_asked_for_what_the_tasks_need():
    (section,) = Experiment(name="e", segmentation={}, evaluate=(FLOWERS | {"tasks": ["segment"]},)).evaluate
    assert section.prepared_data().annotation == "label-map"
    (section,) = Experiment(name="e", evaluate=(FLOWERS,)).evaluate
    assert section.prepared_data() == section.data


def test_features_have_the_sizes_that_are_stated():
    (section,) = Experiment(name="e", evaluate=(FLOWERS | {"resize": 128, "crop_size": 112},)).evaluate
    own = Experiment(name="e").features
    assert section.features_of(own) == own.model_copy(update={"resize": 128, "crop_size": 112})


@pytest.mark.parametrize(
    ("few_shot", "words"),
    [
        ({"shots": [1, 1]}, "no entry twice"),
        ({"shots": []}, "at least one entry"),
        ({"draws": 1}, "greater than or equal to 2"),
        ({"methods": ["svm"]}, "Input should be 'knn' or 'logistic'"),
    ],
)
def test_few_shots_that_cannot_be_are_refused(few_shot, words):
    with pytest.raises(ValueError, match=words):
        Experiment(name="e", few_shot=few_shot)
