import pytest

from pipeline.datasets.tables.hub_shards import missing_shards, refuse_configurations


@pytest.mark.parametrize(
    ("files", "missing"),
    [
        (["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"], []),
        (
            ["data/train-00000-of-00003.parquet", "data/train-00002-of-00003.parquet"],
            ["caution: 1 of the shards data/train-...-of-00003 are not there"],
        ),
        (
            ["train/data-00001-of-00004.arrow", "test/data-00000-of-00001.arrow"],
            ["caution: 3 of the shards train/data-...-of-00004 are not there"],
        ),
        (["train.parquet", "test-0.parquet"], []),
    ],
)
def test_shards_that_their_names_count(files, missing):
    assert missing_shards(files) == missing


@pytest.mark.parametrize(
    "files",
    [
        ["data/train-0.parquet", "data/test-0.parquet"],
        ["train/data-00000-of-00001.arrow", "test/data-00000-of-00001.arrow"],
        ["a/train.parquet", "b/test.parquet"],
    ],
)
def test_tables_of_one_configuration(tmp_path, files):
    refuse_configurations(tmp_path, files)


@pytest.mark.parametrize(
    "files",
    [
        ["fine/train-0.parquet", "coarse/train-0.parquet"],
        ["fine/train/data-0.arrow", "fine/test/data-0.arrow", "coarse/train/data-0.arrow"],
        ["train.parquet", "more/train.parquet"],
    ],
)
def test_two_configurations_are_refused(tmp_path, files):
    with pytest.raises(
        ValueError, match=r"expected the tables of one configuration, found .*state one as data"
    ):
        refuse_configurations(tmp_path, files)
