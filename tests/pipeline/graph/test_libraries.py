from importlib.metadata import version

from pipeline.graph.libraries import library_versions


def test_versions_that_count_of_libraries_that_make_numbers():
    found = library_versions({"numpy", "PIL", "json", "tqdm"}, "features")
    assert found == {name: ".".join(version(name).split(".")[:2]) for name in ("numpy", "pillow")}


def test_jittor_counts_whole_and_brings_onednn():
    found = library_versions({"jittor"}, "pretrain")
    assert found["jittor"] == version("jittor")
    assert "onednn-cpu-gomp" in found


def test_average_precision_is_of_the_stages_that_take_it():
    assert "faster-coco-eval" in library_versions({"faster_coco_eval"}, "detect")
    assert library_versions({"faster_coco_eval"}, "pretrain") == {}
