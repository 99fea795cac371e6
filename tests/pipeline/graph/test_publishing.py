from pipeline.graph.publishing import is_published, publish


def test_pictures_of_data_are_named_for_their_node(tmp_path):
    artifact, folder = tmp_path / "artifact", tmp_path / "results"
    (artifact / "sheets").mkdir(parents=True)
    (artifact / "sheets/train.png").write_bytes(b"a picture")
    assert not is_published("prepare", artifact, folder, "x", name="images")
    files = publish("prepare", artifact, folder, "x", name="images")
    assert files == [folder / "data/images-train.png"]
    assert files[0].read_bytes() == b"a picture"
    assert is_published("prepare", artifact, folder, "x", name="images")
    assert not is_published("prepare", artifact, folder, "x", name="detection")


def test_pictures_of_splits_that_are_no_more_are_removed(tmp_path):
    artifact, folder = tmp_path / "artifact", tmp_path / "results"
    (artifact / "sheets").mkdir(parents=True)
    for split in ("train", "val"):
        (artifact / f"sheets/{split}.png").write_bytes(b"a picture")
    publish("prepare", artifact, folder, "x", name="images")
    (folder / "data/detection-val.png").write_bytes(b"of another node")
    (artifact / "sheets/val.png").unlink()
    publish("prepare", artifact, folder, "x", name="images")
    assert sorted(path.name for path in (folder / "data").iterdir()) == [
        "detection-val.png",
        "images-train.png",
    ]


def test_figures_lie_beside_the_page_and_those_that_are_no_more_are_removed(tmp_path):
    artifact, folder = tmp_path / "artifact", tmp_path / "results"
    for file in ("report.html", "figures/training.pdf", "figures/knn-k.png"):
        (artifact / file).parent.mkdir(parents=True, exist_ok=True)
        (artifact / file).write_bytes(b"drawn")
    publish("report", artifact, folder, "x")
    (artifact / "figures/knn-k.png").unlink()
    publish("report", artifact, folder, "x")
    assert [path.name for path in (folder / "figures").iterdir()] == ["training.pdf"]
    assert (folder / "report.html").read_bytes() == b"drawn"
    assert is_published("report", artifact, folder, "x")


def test_pictures_of_a_data_set_whose_name_begins_with_another_one_stay(tmp_path):
    artifact, folder = tmp_path / "artifact", tmp_path / "results"
    (artifact / "sheets").mkdir(parents=True)
    (artifact / "sheets/train.png").write_bytes(b"a picture")
    for name in ("images-b", "images"):
        publish("prepare", artifact, folder, "x", name=name)
    assert {path.name for path in (folder / "data").iterdir()} == {"images-b-train.png", "images-train.png"}
