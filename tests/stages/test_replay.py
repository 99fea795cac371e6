"""`doit run replay`: a training that broke, and its step again."""

from dataclasses import asdict

import numpy as np
import pytest

from pipeline.config.stages import RuntimeConfig
from pipeline.graph.stage_runner import Job
from pipeline.storage.artifacts import artifact_directory, record_experiment
from pipeline.storage.files import write_json
from stages import pretrain, replay

RUNTIME = RuntimeConfig(device="cpu", log_every_steps=1)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(replay, "RESULTS", tmp_path)
    return tmp_path


def job_of(output, config, seed, data):
    run = {"arm": "hssl", "seed": seed}
    return Job(
        stage="pretrain", name=f"hssl-seed{seed}", run=run, fingerprint="f", code="c", libraries={},
        made_with={}, config=config.model_dump(mode="json"), inputs={"data": str(data)}, runs=[],
        identities={}, lineage={}, work=1.0, output=str(output), runtime=RUNTIME.model_dump(mode="json"),
    )  # fmt: skip


@pytest.fixture
def broken(jt, results, tiny_prepared, tiny_config, monkeypatch):
    """The message of a training of two seeds, whose third step sees a pixel that is no number."""
    from pipeline.pretrain.batch_maker import BatchMaker

    right = BatchMaker.__call__

    def with_a_bad_pixel(maker, step):
        batch = right(maker, step)
        if step == 2:
            batch.global_crops[0, 3, 2, 1, 1] = np.nan
        return batch

    monkeypatch.setattr(BatchMaker, "__call__", with_a_bad_pixel)
    messages, links = [], {}
    for seed in (3, 4):
        output = artifact_directory(results, "pretrain", f"{seed}" * 16)
        output.mkdir(parents=True)
        config = tiny_config.model_copy(update={"seed": seed})
        write_json(output / "job.json", asdict(job_of(output, config, seed, tiny_prepared)))
        with pytest.raises(FloatingPointError) as caught:
            pretrain.run(config, output, data=tiny_prepared, runtime=RUNTIME)
        messages.append(str(caught.value))
        links[f"pretrain-hssl-seed{seed}"] = output
    record_experiment(results, "smoke", config={}, artifacts=links)
    return messages


def test_the_message_says_what_to_type_and_that_says_what_broke(broken, capsys):
    assert "`doit run replay step=3 stage=pretrain arm=hssl seed=4`" in broken[1]
    assert replay.main(["experiment=smoke", "step=3", "arm=hssl", "seed=4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("step 3 of pretrain hssl-seed4, from ")
    assert lines[1].count(", ") == 11
    assert lines[2].startswith("losses: loss nan, loss_base_cls nan")
    assert lines[-1].startswith("the first tensor that is not finite: the batch's global_crops (")
    assert "1 NaN and 0 infinite" in lines[-1]
    assert lines[-1].endswith("the first at [0, 3, 2, 1, 1]")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["step=3"],
            "step=3: several runs have it; saved are pretrain-hssl-seed3: 3; pretrain-hssl-seed4: 3",
        ),
        (["step=7", "seed=3"], "step=7: no run has it; saved are pretrain-hssl-seed3: 3"),
        (["step=last"], "step=last: expected a whole number"),
        (
            ["step=3", "stage=knn"],
            "stage=knn: expected one of pretrain, search-train, ",
        ),
        (["step=3", "stage=detect"], "step=3: no run has it; no step was saved"),
        ([], "missing option step="),
    ],
)
def test_what_cannot_be_repeated_is_one_line(broken, capsys, options, message):
    assert replay.main(["experiment=smoke", *options]) == 1
    assert message in capsys.readouterr().err


def test_where_all_was_finite_there_is_nothing(results, capsys):
    assert replay.main(["experiment=smoke", "step=3"]) == 1
    assert "no step was saved, for none was not finite" in capsys.readouterr().err
