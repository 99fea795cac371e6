"""The commands of a user, and what they leave behind."""

import json
import os
import resource

import pytest

from tests.toy_stages.project import NUM_STAGES


def test_nothing_to_do_is_quick_and_shows_the_table(project):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = project.doit("run", "all")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert f"{NUM_STAGES}/{NUM_STAGES}] report: up to date" in done.stdout
    assert "HSSL \N{MINUS SIGN} random: " in done.stdout
    # Of the processor: on the clock a busy machine would be slow.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2, "1 s on an idle machine"


def test_tables_pictures_links_and_record(project):
    folder = project.folder / "results" / "my"
    table = json.loads((folder / "table.json").read_text())
    assert len(table) == 6
    assert all((folder / f"table.{end}").read_text() for end in ("md", "csv", "tex", "txt"))
    assert "HSSL \N{MINUS SIGN} random: " in (folder / "report.html").read_text()
    assert (folder / "pictures" / "curves-hssl-seed0-loss.png").read_text() == "a picture"
    link = folder / "artifacts" / "knn-hssl-seed0"
    assert not os.path.isabs(os.readlink(link))
    stamp = json.loads((link / "stamp.json").read_text())
    row = next(row for row in table if (row["task"], row["arm"]) == ("knn", "hssl"))
    assert row["fingerprint"] == stamp["fingerprint"]
    assert stamp["environment"]["numpy"]
    record = json.loads((folder / "experiment.json").read_text())
    assert len(record["artifacts"]) == NUM_STAGES


def test_the_report_alone_says_where_its_page_is(project):
    done = project.doit("run", "report")
    assert done.returncode == 0, done.stderr
    assert f"the page: {project.folder / 'results' / 'my' / 'report.html'}" in done.stdout


@pytest.mark.slow
def test_a_stage_can_be_forced(project):
    assert sorted(project.ran("run", "-s", "-a", "knn:hssl-seed0")) == ["knn:hssl-seed0"]
    assert sorted(project.ran("run", "-s", "-a", "knn")) == [
        "knn:hssl-seed0",
        "knn:random-seed0",
    ]
    assert project.ran() == []


@pytest.mark.slow
def test_experiments_share_what_is_equal_and_gc_deletes_the_rest(project):
    project.configure(epochs=2, name="other", arms=["random", "ibot"])
    ran = project.ran(experiment="other.toml")
    assert sorted({label.partition("-")[0].partition(":")[2] for label in ran}) == ["ibot"]
    project.configure(epochs=4)
    project.ran()
    listed = project.doit("run", "gc").stdout
    assert listed.count("unreferenced") == 7 + 2  # the old arm; tables, report
    project.doit("run", "gc", "delete=yes")
    assert "every artifact belongs to an experiment" in project.doit("run", "gc").stdout
    assert project.ran() == []
    assert project.ran(experiment="other.toml") == []


def test_mistakes_in_the_experiment_are_listed_without_a_traceback(project):
    (project.folder / "my.toml").write_text("sedes = [1]\n[schedule]\nepochs = -1\n")
    done = project.doit("list")
    assert done.returncode != 0
    assert "did you mean 'seeds'" in done.stderr
    assert "schedule.epochs" in done.stderr
    assert "Traceback" not in done.stderr


def test_doit_works_from_another_folder(project):
    above = project.folder.parent
    done = project.doit("list", "-f", "project/dodo.py", experiment="project/my.toml", cwd=above)
    assert done.returncode == 0, done.stderr
    assert "pretrain" in done.stdout


def test_config_is_printed(project):
    done = project.doit("run", "config")
    assert json.loads(done.stdout)["schedule"]["epochs"] == 3


def test_what_the_checks_refuse_stops_every_stage_also_where_several_run_at_once(project):
    (project.folder / "hosts.txt").write_text("node-a slots=0\n")
    project.configure(epochs=4)
    with open(project.folder / "my.toml", "a") as stream:
        stream.write('\n[runtime]\ndevices = 2\ndevice = "cpu"\nhosts = "hosts.txt"\n')
    project.runs.write_text("")
    done = project.doit("run", "-n", "4", "-P", "thread", "all")
    assert done.returncode != 0
    assert "hosts.txt, line 1: expected slots of 1 or more, found '0'" in done.stdout + done.stderr
    assert project.runs.read_text() == ""


def test_a_machine_that_could_run_nothing_is_refused_only_where_something_would_run(project):
    without_compiler = {"PATH": str(project.folder)}
    assert project.ran("run", "all", variables=without_compiler) == []
    for more in (["-a", "all"], ["all", "sweep"], ["verify", "all"]):
        done = project.doit("run", *more, variables=without_compiler)
        assert done.returncode != 0
        assert "C++ compiler: g++ is not on PATH" in done.stdout + done.stderr, more
    project.configure(epochs=4)
    done = project.doit("run", "all", variables=without_compiler)
    assert "C++ compiler: g++ is not on PATH" in done.stdout + done.stderr
    assert project.runs.read_text() == ""
