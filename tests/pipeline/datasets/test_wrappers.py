from pipeline.datasets.wrappers import below, below_wrappers


def test_lone_folders_are_passed_through(tmp_path):
    root = tmp_path / "devkit"
    inner = root / "a/b"
    inner.mkdir(parents=True)
    (root / ".hidden").touch()
    assert below_wrappers(root) == inner
    assert below(root, inner) == "a/b/"
    (root / "a/read-me").touch()
    assert below_wrappers(root) == root / "a"
    (root / "file").touch()
    assert below_wrappers(root) == root
    assert below(root, root) == ""


def test_a_lone_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    assert below_wrappers(tmp_path) == tmp_path
