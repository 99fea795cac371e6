"""`ablate`, `search` and `search-validate`: real doit, real processes, toy trainings."""

import json

import pytest

from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.config.reading import read_experiment
from tests.toy_stages.project import NUM_STAGES

STUDIES = """
[ablate.variants.deep]
depth = 6
[ablate.variants.same]
depth = 3
[ablate.product]
first_shortcut = [true]
detached = [false, true]
[search.candidates.conv]
depth = 2
[search.candidates.attention]
kind = "vit"
[search.candidates.mixing]
kind = "mixer"
"""


@pytest.fixture
def studied(project):
    """A finished project whose experiment has studies."""
    with open(project.folder / "my.toml", "a") as stream:
        stream.write(STUDIES)
    project.ran()  # tables and report are of the experiment with them
    return project


@pytest.mark.slow
def test_studies_are_no_part_of_all_and_know_what_all_has_made(studied):
    folder = studied.folder / "results" / "my"
    ran = studied.ran("run", "ablate")
    runs = {label.partition(":")[2] for label in ran if label.startswith("pretrain:")}
    prefix = "hssl.first_shortcut-true_detached"
    # `same` is the arm's own head, which has been trained; the baseline and the arm itself have, too.
    assert runs == {"hssl.deep-seed0", f"{prefix}-false-seed0", f"{prefix}-true-seed0"}
    assert len(ran) == 3 * 4
    assert studied.ran("run", "ablate") == []
    assert studied.ran() == []
    names = {line["name"] for line in json.loads((folder / "ablate.json").read_text())["lines"]}
    products = {f"{prefix[5:]}-{value}" for value in ("true", "false")}
    assert names == {"random", "hssl", "deep", "same"} | products
    assert all((folder / f"ablate.{end}").read_text() for end in ("md", "csv", "tex", "txt"))


@pytest.mark.slow
def test_a_search_chooses_a_head_that_the_experiment_then_runs_with(studied):
    folder = studied.folder / "results" / "my"
    done = studied.doit("run", "search")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((folder / "search.json").read_text())
    assert f"chosen: {found['chosen']}" in done.stdout
    assert found["cost"]["share"] == pytest.approx(3 / 6)
    assert found["lines"][0]["name"] == found["chosen"] == "attention"  # the toy's first is its largest
    assert studied.ran("run", "search") == []
    assert "chosen: attention" in studied.doit("run", "search").stdout
    chosen = read_experiment(str(folder / "chosen-head.toml"))
    assert chosen.auxiliary_head == AuxiliaryHeadConfig(kind="vit", depth=3)
    ran = studied.ran(experiment=str(folder / "chosen-head.toml"))
    assert "pretrain:hssl-seed0" in ran
    assert not any("random" in label for label in ran)
    assert (studied.folder / "results" / "my-chosen-head" / "table.txt").is_file()


@pytest.mark.slow
def test_a_deleted_or_outdated_publication_is_made_again(studied):
    folder = studied.folder / "results" / "my"
    studied.ran("run", "search")
    text = (folder / "chosen-head.toml").read_text()
    (folder / "chosen-head.toml").unlink()
    (folder / "search.md").write_text("old")
    assert studied.ran("run", "search") == []
    assert (folder / "chosen-head.toml").read_text() == text
    assert (folder / "search.md").read_text() != "old"


@pytest.mark.slow
def test_validation_trains_each_candidate_alone_for_the_searchs_epochs(studied):
    folder = studied.folder / "results" / "my"
    planned = studied.doit("run", "plan", "of=search-validate").stdout
    assert "studies:pretrain-hssl.search.mixing-seed0" in planned
    ran = studied.ran("run", "search-validate")
    # The random baseline is there already: three candidates, and the joint training.
    assert sorted(ran) == sorted(
        ["search-train:seed0"]
        + [f"{stage}:hssl.search.{name}-seed0" for stage in ("pretrain", "features", "knn")
           for name in ("conv", "attention", "mixing")]
    )  # fmt: skip
    stamp = studied.artifact("pretrain-hssl.search.conv-seed0") / "stamp.json"
    assert json.loads(stamp.read_text())["config"]["schedule"]["epochs"] == pytest.approx(0.3)
    found = json.loads((folder / "search-validate.json").read_text())
    assert found["trust"]["score"] == "search_cka"
    assert found["trust"]["count"] == 3
    statuses = studied.statuses()
    assert statuses["search-validate"] == statuses["studies:knn-hssl.search.conv-seed0"] == "U"
    assert statuses["ablate"] == "R"
    assert studied.ran("run", "search-validate") == []
    assert studied.ran("run", "knn") == []
    # What a study made belongs to the experiment, and stays.
    studied.doit("run", "gc", "delete=yes")
    assert studied.ran("run", "search-validate") == []
    record = json.loads((folder / "experiment.json").read_text())
    assert len(record["artifacts"]) == NUM_STAGES + 3 * 3 + 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["process", "thread"])
def test_candidates_are_trained_side_by_side(studied, kind):
    """doit runs independent stages at once; each artifact's lock keeps two from making the same."""
    ran = studied.ran("run", "-n", "3", "-P", kind, "search-validate")
    assert len(ran) == len(set(ran)) == 1 + 3 * 3
    assert studied.ran("run", "search-validate") == []


def test_without_variants_ablate_fails_for_there_is_nothing_to_compare(project):
    done = project.doit("run", "ablate")
    assert done.returncode == 1
    assert "ablate is no part of my: the experiment has no section for it" in done.stdout


def test_mistakes_in_studies_are_listed(project):
    with open(project.folder / "my.toml", "a") as stream:
        stream.write('\n[ablate.variants.deep]\ndept = 6\n[search]\narm = "random"\n')
    output = project.doit("list").stderr
    assert "arm 'random' has no auxiliary head" not in output  # found once the keys are right
    assert "ablate.variants.deep.dept: unknown key; did you mean 'depth'" in output


def test_too_little_memory_for_one_of_a_study_is_said_before_any_of_its_stages_starts(studied):
    settings = (studied.folder / "my.toml").read_text()
    settings = settings.replace("batch_size = 4", "batch_size = 4194304")
    (studied.folder / "my.toml").write_text(f'seeds = [0, 1]\n{settings}\n[runtime]\ndevice = "cpu"\n')
    studied.runs.write_text("")
    done = studied.doit("run", "-n", "4", "-P", "thread", "ablate")
    assert done.returncode != 0
    assert "studies:pretrain-hssl.deep-seed1: needs at least" in done.stdout + done.stderr
    assert studied.runs.read_text() == ""  # not even initialize:random-seed1


@pytest.mark.slow
def test_the_report_shows_the_studies_that_are_done_and_runs_none(studied):
    def shown():
        stamp = json.loads((studied.artifact("report") / "stamp.json").read_text())
        return {"ablate/", "search/", "search-validate/"} & stamp["inputs"].keys()

    assert shown() == set()
    studied.ran("run", "ablate")
    assert studied.ran("run", "report") == []
    assert shown() == {"ablate/"}
    path = studied.folder / "my.toml"
    path.write_text(path.read_text().replace("depth = 6", "depth = 5"))
    assert studied.ran("run", "report") == [], "the study is out of date, and no reason to train"
    assert shown() == set()
