"""`doit run shard`: refusals of one line, and shards of what the experiment has prepared."""

import pytest

from pipeline.config.reading import read_experiment
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from pipeline.graph.finished import Finished
from stages import shard as stage


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "RESULTS", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    drawn = "num_train = 20\nnum_val = 5\nnum_test = 5\n"
    path = tmp_path / "my.toml"
    path.write_text(f'extends = "smoke"\n[data]\nsplit_seed = 3\n[data.photo_scenes]\n{drawn}')
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["shard_mib=0"], "shard_mib=0: expected a whole number of MiB, 1 or more"),
        (["shard_mib=1.5"], "shard_mib=1.5: expected a whole number of MiB"),
        (["size=3"], "unknown option size=; usage: doit run shard"),
        (["out=."], "is there already; name another folder by out="),
        ([], "prepare:images of my is not finished: doit run prepare:images experiment=my.toml"),
    ],
)
def test_what_cannot_be_done_is_one_line(experiment, capfd, options, message):
    assert stage.main([f"experiment={experiment.name}", *options]) == 1
    error = capfd.readouterr().err.strip()
    assert message in error
    assert "\n" not in error


def test_the_prepared_images_are_written(experiment, tmp_path, monkeypatch, capfd):
    config = read_experiment("my.toml").data
    prepare(config, tmp_path / "prepared", num_workers=1)
    monkeypatch.setattr(Finished, "prepared", lambda self: tmp_path / "prepared")
    assert stage.main(["experiment=my.toml", "shard_mib=1"]) == 0
    folder = tmp_path / "my-shards"
    assert sorted(path.name for path in folder.iterdir()) == [
        "classnames.txt", "index.json", "test-000000.tar", "train-000000.tar", "val-000000.tar",
    ]  # fmt: skip
    output = capfd.readouterr().out
    assert f"wrote {folder}: 3 shards, 20 train, 5 val, 5 test" in output
    assert f'[data] source = "{folder}"' in output
    prepare(config.model_copy(update={"source": str(folder)}), tmp_path / "again", num_workers=1)
    first, again = PreparedDataset.open(tmp_path / "prepared"), PreparedDataset.open(tmp_path / "again")
    assert again.class_names == first.class_names
    for split in ("train", "val", "test"):
        pixels = [sorted(d.image(row).tobytes() for row in d.indices(split)) for d in (first, again)]
        assert pixels[0] == pixels[1]
