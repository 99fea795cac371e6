"""The tables of `search` and `search-validate` from hand-made scores."""

import json

import pytest

from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.config.reading import read_experiment
from pipeline.config.studies import SearchConfig, SearchValidateConfig
from pipeline.graph.chosen_head import experiment_of_head
from pipeline.storage.files import write_json
from pipeline.storage.runs import Run, RunKey
from pipeline.studies.search import write_search
from pipeline.studies.search_validation import write_search_validation
from tests.pipeline.studies.made import a_probe, a_training, right

HEADS = {
    "conv": AuxiliaryHeadConfig(kernel_size=3, depth=2),
    "swin": AuxiliaryHeadConfig(kind="swin", first_shortcut=True),
    "vit": AuxiliaryHeadConfig(kind="vit", num_heads=3),
}
CONFIG = SearchConfig(experiment="e", arm="hssl", baseline="ibot", heads=HEADS, ranking="cka")
CKA = {"conv": 0.2, "swin": 0.5, "vit": 0.3}


def a_joint_training(folder, seed):
    folder.mkdir(parents=True)
    scores = {
        name: {"cka": value + 0.02 * seed, "cka_se": 0.01, "cosine": 0.5 - value, "auxiliary_loss": value}
        for name, value in CKA.items()
    }
    write_json(folder / "scores.json", scores)
    cost = {name: {"seconds_alone": 1.0 + seed, "parameters": 1234} for name in CKA}
    write_json(folder / "cost.json", {"num_steps": 50, "seconds_joint": 1.5, "candidates": cost})
    return folder


def trainings(folder, seeds=(0, 1)):
    return [
        Run("search-train", RunKey(seed=seed), a_joint_training(folder / str(seed), seed)) for seed in seeds
    ]


def test_candidates_are_ranked_and_their_cost_is_told(tmp_path):
    write_search(tmp_path, CONFIG, trainings(tmp_path / "made"))
    found = json.loads((tmp_path / "search.json").read_text())
    assert [(line["rank"], line["name"]) for line in found["lines"]] == [(1, "swin"), (2, "vit"), (3, "conv")]
    swin = found["lines"][0]
    assert (swin["cka"], swin["cka_se"]) == pytest.approx((0.51, 0.01))
    assert swin["cka_std"] == pytest.approx(0.02 / 2**0.5)
    assert swin["kl"] is None
    assert (swin["seconds_alone"], swin["parameters"]) == (1.5, 1234)
    assert found["chosen"] == "swin"
    assert found["cost"] == {
        "num_steps": 50, "seconds_joint_step": 1.5, "seconds_alone_steps": 4.5, "share": pytest.approx(1 / 3)
    }  # fmt: skip
    markdown = (tmp_path / "search.md").read_text()
    assert "chosen: swin (swin x3, window 7, first shortcut), the largest 1 - CKA of 3 candidates" in markdown
    assert "33 % of training each alone" in markdown
    assert "seeds 0 1;" in markdown
    assert all((tmp_path / f"search.{end}").read_text() for end in ("csv", "tex", "txt"))


def test_what_the_images_do_not_tell_apart_is_said(tmp_path):
    made = trainings(tmp_path / "made", seeds=(0,))
    write_search(tmp_path, CONFIG, made)
    assert "not told apart" not in (tmp_path / "search.txt").read_text()
    scores = json.loads((made[0].directory / "scores.json").read_text())
    scores["vit"]["cka_se"] = 0.11  # 0.2 below the best: 1.8 errors of the difference
    write_json(made[0].directory / "scores.json", scores)
    write_search(tmp_path, CONFIG, made)
    assert "not told apart from it by these images: vit\n" in (tmp_path / "search.txt").read_text()


def test_another_proxy_gives_another_order_and_a_collapsed_head_comes_last(tmp_path):
    made = trainings(tmp_path / "made", seeds=(0,))
    write_search(tmp_path, CONFIG.model_copy(update={"ranking": "cosine"}), made)
    assert json.loads((tmp_path / "search.json").read_text())["chosen"] == "conv"
    scores = json.loads((made[0].directory / "scores.json").read_text())
    del scores["swin"]["cka"]
    write_json(made[0].directory / "scores.json", scores)
    write_search(tmp_path, CONFIG, made)
    assert [line["name"] for line in json.loads((tmp_path / "search.json").read_text())["lines"]] == [
        "vit", "conv", "swin"
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no candidate has a score 'kl'"):
        write_search(tmp_path, CONFIG.model_copy(update={"ranking": "kl"}), made)


@pytest.mark.parametrize("chosen", HEADS)
def test_the_chosen_head_is_what_the_experiment_then_has(tmp_path, chosen):
    """Whatever head the experiment had before."""
    top = 'arms = ["ibot", "hssl"]\n[backbone]\nsize = "tiny"\n[auxiliary_head]\nkernel_size = 5\n'
    (tmp_path / "mine.toml").write_text(top)
    folder = tmp_path / "results" / "mine"
    folder.mkdir(parents=True)
    heads = {chosen: HEADS[chosen], "other": AuxiliaryHeadConfig(kind="mixer")}
    made = trainings(tmp_path / "made", seeds=(0,))
    scores = {chosen: {"cka": 0.9}, "other": {"cka": 0.1}}
    cost = {name: {"seconds_alone": 1.0, "parameters": 1} for name in heads}
    write_json(made[0].directory / "scores.json", scores)
    write_json(made[0].directory / "cost.json", {"num_steps": 5, "seconds_joint": 1.0, "candidates": cost})
    write_search(tmp_path, CONFIG.model_copy(update={"heads": heads}), made)
    section = (tmp_path / "chosen-head.toml").read_text()
    text = experiment_of_head(section, folder, str(tmp_path / "mine.toml"))
    (folder / "chosen-head.toml").write_text(text)
    found = read_experiment(str(folder / "chosen-head.toml"))
    assert found.auxiliary_head == HEADS[chosen]
    assert found.name == "mine-chosen-head"
    assert found.backbone.dim == 192
    assert 'extends = "../../mine.toml"' in text
    preset = experiment_of_head(section, folder, "smoke")
    (folder / "chosen-head.toml").write_text(preset.replace("num_heads = 3\n", ""))
    assert read_experiment(str(folder / "chosen-head.toml")).auxiliary_head.kind == HEADS[chosen].kind


def test_validation_sets_the_ranking_against_the_gain(tmp_path):
    write_search(tmp_path, CONFIG, trainings(tmp_path / "made"))
    trained = [Run("knn", RunKey(arm="ibot", study="search", seed=0), a_probe(tmp_path / "ibot", right(100)))]
    for name, count in {"conv": 96, "swin": 110, "vit": 120}.items():
        key = RunKey(arm="hssl", study="search", head=name, seed=0)
        trained.append(Run("knn", key, a_probe(tmp_path / f"knn-{name}", right(count))))
        trained.append(Run("pretrain", key, a_training(tmp_path / f"pretrain-{name}", cka=0.5)))
    write_search_validation(tmp_path, SearchValidateConfig(**dict(CONFIG)), tmp_path, trained)
    found = json.loads((tmp_path / "search-validate.json").read_text())
    assert [line["name"] for line in found["lines"]] == ["ibot", "swin", "vit", "conv"]
    assert found["lines"][1]["search_cka"] == pytest.approx(0.51)
    # Of three pairs, (swin, vit) stands in the opposite order.
    assert found["trust"]["score"] == "search_cka"
    assert found["trust"]["tau"] == pytest.approx(1 / 3)
    text = (tmp_path / "search-validate.txt").read_text()
    assert "gain in knn: chosen swin +5.0, best vit +10.0, mean of all candidates +4.3 points" in text
