"""Shares of the labels, and fine-tuning: which runs an experiment has, and what each reads."""

from pipeline.config.experiment import Experiment
from pipeline.graph.node import STAGES
from pipeline.graph.nodes import experiment_nodes
from pipeline.graph.study_nodes import study_nodes
from pipeline.storage.runs import RunKey


def nodes_of(**sections) -> dict[str, object]:
    settings = {"name": "e", "arms": ["random", "hssl"], "baseline": "random", **sections}
    nodes = experiment_nodes(Experiment.model_validate(settings))
    seen = set()
    for node in nodes:
        assert {*node.upstream.values()} <= seen, f"{node.label} comes before its inputs"
        seen.add(node)
    assert {node.stage for node in nodes} <= STAGES.keys()
    assert len({node.label for node in nodes}) == len(nodes)
    return {node.label: node for node in nodes}


def inputs_of(node) -> dict[str, str]:
    return {name: upstream.label for name, upstream in node.upstream.items()}


def test_nothing_is_fine_tuned_and_no_labels_are_left_out_by_default():
    assert {node.stage for node in nodes_of().values()} == {
        "prepare", "initialize", "pretrain", "curves", "features", "knn", "linear", "logistic",
        "views", "duplicates", "tables", "report",
    }  # fmt: skip


def test_every_backbone_is_fine_tuned_and_the_random_one_is_the_supervised_network():
    nodes = nodes_of(finetune={}, seeds=[0, 7])
    expected = {"backbone": "pretrain:hssl-seed7", "data": "prepare:images"}
    assert inputs_of(nodes["finetune:hssl-seed7"]) == expected
    assert nodes["finetune:hssl-seed7"].config.seed == 7
    assert inputs_of(nodes["finetune:random-seed0"])["backbone"] == "initialize:random-seed0"
    assert inputs_of(nodes["tables"])["finetune/hssl-seed7"] == "finetune:hssl-seed7"


def test_probes_and_classifiers_learn_from_each_share_and_arms_share_the_labels():
    nodes = nodes_of(finetune={}, label_shares=[0.01, 0.1, 1.0], seeds=[0, 1])
    for stage in ("knn", "logistic", "finetune"):
        for arm in ("random", "hssl"):
            labels = nodes[f"{stage}:1pct-{arm}-seed1"].inputs["labels"]
            assert labels is nodes["subset:images-1pct-seed1"]
            assert "labels" not in nodes[f"{stage}:{arm}-seed1"].inputs
    assert nodes["subset:images-10pct-seed0"].config.share == 0.1
    assert not [label for label in nodes if label.startswith("linear:") and "pct" in label]
    names = inputs_of(nodes["tables"])
    assert names["knn/10pct-hssl-seed0"] == "knn:10pct-hssl-seed0"
    assert names["finetune/1pct-random-seed1"] == "finetune:1pct-random-seed1"
    assert names["knn/hssl-seed0"] == "knn:hssl-seed0"


def test_a_table_gets_arm_seed_share_and_run_as_fields():
    runs = nodes_of(segmentation={}, label_shares=[0.015], seeds=[3])["tables"].runs
    assert runs["knn", RunKey(share=0.015, arm="hssl", seed=3)].label == "knn:1.5pct-hssl-seed3"
    dense = RunKey(run="linear-frozen", arm="random", seed=3)
    assert runs["segment", dense].label == "segment:linear-frozen-random-seed3"


def test_the_features_of_random_weights_are_those_of_their_only_network():
    """Whichever of teacher and student is probed of the others."""
    nodes = nodes_of(features={"weights": "student"})
    assert nodes["features:random-seed0"].config.weights == "teacher"
    assert nodes["features:hssl-seed0"].config.weights == "student"


def test_a_variant_and_a_candidate_are_fields_beside_their_arm():
    settings = {"name": "e", "arms": ["ibot", "hssl"], "ablate": {"variants": {"deep": {"depth": 6}}}}
    experiment = Experiment.model_validate(settings | {"seeds": [2]})
    main = experiment_nodes(experiment)
    nodes = {node.label: node for node in study_nodes(experiment, main)}
    variant = RunKey(arm="hssl", head="deep", seed=2)
    assert nodes["studies:pretrain-hssl.deep-seed2"].key == variant
    own = nodes["ablate"].runs["knn", RunKey(arm="hssl", seed=2)]
    assert own in main
    assert own.label == "knn:hssl-seed2"
    candidate = RunKey(arm="hssl", study="search", head="vit", seed=2)
    assert nodes["search-validate"].runs["knn", candidate].label == "studies:knn-hssl.search.vit-seed2"


def test_fine_tuning_may_have_shares_of_its_own():
    nodes = nodes_of(finetune={"label_shares": [0.1]})
    assert "knn:10pct-hssl-seed0" not in nodes
    assert "finetune:hssl-seed0" not in nodes
    assert "finetune:10pct-hssl-seed0" in nodes


def test_transfer_is_to_other_images_with_labels_of_their_own():
    nodes = nodes_of(finetune={"data": {"source": "flowers"}}, label_shares=[0.1])
    classifier = nodes["finetune:10pct-hssl-seed0"]
    assert inputs_of(classifier) == {
        "backbone": "pretrain:hssl-seed0",
        "data": "prepare:finetune",
        "labels": "subset:finetune-10pct-seed0",
    }
    assert nodes["prepare:finetune"].config.source == "flowers"
    assert inputs_of(nodes["knn:10pct-hssl-seed0"])["labels"] == "subset:images-10pct-seed0"


def test_pixels_are_one_floor_for_all_seeds_and_of_k_nn_alone():
    nodes = nodes_of(arms=["random", "pixels", "hssl"], seeds=[0, 1], label_shares=[1.0, 0.1])
    of_pixels = {label for label in nodes if "pixels" in label}
    shares = {f"knn:{share}pixels-seed{seed}" for share in ("", "10pct-") for seed in (0, 1)}
    assert of_pixels == {"pixels", *shares}
    assert inputs_of(nodes["knn:10pct-pixels-seed1"]) == {
        "features": "pixels",
        "labels": "subset:images-10pct-seed1",
    }
    assert nodes["tables"].config.floors == ("random", "pixels")
    config = nodes["pixels"].config
    assert (config.resize, config.side) == (18, 16), "256 and 224 pixels, made small"
    small = {"features": {"resize": 12, "crop_size": 8}, "backbone": {"patch_size": 8, "image_size": 32}}
    small |= {"crops": {"global_size": 32}}
    config = nodes_of(arms=["pixels", "random"], **small)["pixels"].config
    assert (config.resize, config.side) == (12, 8), "no larger than what the networks see"


def test_where_there_is_segmentation_each_of_its_tasks_has_the_floor_of_the_position():
    nodes = nodes_of(segmentation={"num_bootstrap": 7, "runs": ["uper-frozen"]}, dense_probe={}, seeds=[0, 4])
    assert nodes["position"].config.num_bootstrap == {
        "segment-uper-frozen": 7, "patch-linear": 1000, "patch-knn": 1000, "clusters": 1000,
    }  # fmt: skip
    tables = nodes["tables"]
    assert (tables.config.arms, tables.config.floors) == (
        ("random", "hssl", "position"), ("random", "position"),
    )  # fmt: skip
    assert tables.runs["position", RunKey(arm="position", seed=4)] is nodes["position"]


def test_work_grows_with_share_and_length():
    nodes = nodes_of(finetune={"schedule": {"epochs": 10}}, label_shares=[0.1, 1.0])
    longer = nodes_of(finetune={"schedule": {"epochs": 20}})["finetune:hssl-seed0"].work
    assert nodes["finetune:hssl-seed0"].work == longer / 2
    assert nodes["finetune:10pct-hssl-seed0"].work < nodes["finetune:hssl-seed0"].work


def test_t29_dense_tasks_start_from_every_backbone_the_random_one_too():
    """T29: every dense stage runs from random initialisation as well, for the same number of steps."""
    nodes = nodes_of(segmentation={}, detection={}, dense_probe={}, seeds=[0, 2])
    for stage, runs in (
        ("segment", ("linear-frozen", "uper-finetuned")),
        ("detect", ("frozen", "finetuned")),
    ):
        for run in runs:
            of_arms = [nodes[f"{stage}:{run}-{arm}-seed2"] for arm in ("random", "hssl")]
            assert of_arms[0].config == of_arms[1].config
            assert of_arms[0].config.seed == 2
            assert inputs_of(of_arms[0])["backbone"] == "initialize:random-seed2"
            assert inputs_of(of_arms[1])["backbone"] == "pretrain:hssl-seed2"
    probe = inputs_of(nodes["dense_probe:random-seed0"])
    assert probe["segmentation"] == "prepare:segmentation"
    assert probe["detection"] == "prepare:detection"
    rows = inputs_of(nodes["tables"])
    assert rows["segment/uper-finetuned-random-seed0"] == "segment:uper-finetuned-random-seed0"
    assert rows["curves/hssl-seed0"] == "curves:hssl-seed0"


def test_an_arm_with_head_is_compared_with_its_method_alone_where_that_is_there():
    arms = ["ibot", "hssl", "mocov3", "hssl-mocov3", "hssl-byol"]
    config = experiment_nodes(Experiment.model_validate({"name": "e", "arms": arms}))[-1].config.tables
    assert config.alone == {"hssl": "ibot", "hssl-mocov3": "mocov3"}
    assert config.subjects == ("hssl", "hssl-mocov3", "hssl-byol")
    assert [config.compared_with[arm] for arm in arms] == ["ibot", "ibot", "ibot", "mocov3", "ibot"]


def test_weights_of_others_are_an_arm_of_every_stage():
    weights = {"theirs": {"source": "theirs.pth", "sha256": "0" * 64}}
    nodes = nodes_of(arms=["theirs", "random", "hssl"], weights=weights, seeds=[0, 1], segmentation={})
    converted = nodes["convert:theirs"]
    assert converted.inputs == {}
    for seed in (0, 1):
        assert nodes[f"features:theirs-seed{seed}"].inputs["backbone"] is converted
        assert nodes[f"segment:uper-finetuned-theirs-seed{seed}"].inputs["backbone"] is converted
        assert inputs_of(nodes["tables"])[f"knn/theirs-seed{seed}"] == f"knn:theirs-seed{seed}"
    assert "curves:theirs-seed0" not in nodes
    assert nodes["tables"].config.arms == ("theirs", "random", "hssl", "position")
    order = list(nodes)
    assert order.index("convert:theirs") < order.index("features:theirs-seed0")


def test_every_pretraining_may_start_from_weights_of_others():
    start = {"source": "theirs.pth", "sha256": "0" * 64, "key": "student"}
    nodes = nodes_of(arms=["random", "ibot", "hssl"], start=start, seeds=[0, 1])
    asked = nodes["convert:start"].config
    assert (asked.source, asked.key, asked.image_size) == ("theirs.pth", "student", 224)
    for arm in ("ibot", "hssl"):
        pretraining = nodes[f"pretrain:{arm}-seed1"]
        assert inputs_of(pretraining) == {"data": "prepare:images", "start": "convert:start"}
        assert pretraining.config.start is None
    assert inputs_of(nodes["initialize:random-seed0"]) == {"data": "prepare:images"}


def test_the_arms_of_the_answer_are_looked_at_with_their_heads_at_the_first_seed():
    nodes = nodes_of(arms=["random", "ibot", "hssl"], baseline="ibot", seeds=[3, 1])
    assert {label for label in nodes if label.startswith("views")} == {"views:ibot-seed1", "views:hssl-seed1"}
    head = nodes["views:hssl-seed1"]
    assert inputs_of(head) == {"backbone": "pretrain:hssl-seed1", "data": "prepare:images"}
    assert head.config.pretraining == nodes["pretrain:hssl-seed1"].config
    assert nodes["views:ibot-seed1"].config.pretraining is None
    assert inputs_of(nodes["report"])["views/hssl-seed1"] == "views:hssl-seed1"
    floors = nodes_of(arms=["random", "pixels"])
    assert [label for label in floors if label.startswith("views")] == ["views:random-seed0"]
