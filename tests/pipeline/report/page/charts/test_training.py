from pipeline.report.page.charts.training import training_curves
from tests.pipeline.report.page.drawn import ARMS


def test_curves_of_what_a_run_does_not_log_are_left_out():
    logs = {
        "hssl seed 0": [{"step": 1, "loss": 2.0, "discrepancy_cka": 0.3}],
        "ibot seed 0": [{"step": 1, "loss": 1.0}],
    }
    figure = training_curves(logs, ARMS)
    shown = {(v["run"], v["of"]): v["value"] for v in figure.spec["data"]["values"]}
    assert shown == {
        ("hssl seed 0", "loss"): 2.0,
        ("ibot seed 0", "loss"): 1.0,
        ("hssl seed 0", "1 - CKA of base and head"): 0.3,
    }
    assert training_curves({}, ARMS) is None


def test_a_curve_is_marked_where_its_training_warned():
    logs = {f"{arm} seed 0": [{"step": step, "loss": 2.0} for step in range(1, 2000)] for arm in ARMS}
    figure = training_curves(logs, ARMS, {"ibot seed 0": {}, "hssl seed 0": {777: "flat: no prototype"}})
    marked = [value for value in figure.spec["data"]["values"] if "warned" in value]
    assert [(v["run"], v["step"], v["warned"]) for v in marked] == [
        ("hssl seed 0", 777, "flat: no prototype")
    ]
    assert figure.caption.endswith("hssl seed 0 warned at step 777 (flat): triangles.")
    assert figure.svg.count('aria-roledescription="point"') == 1
    healthy = training_curves(logs, ARMS, {run: {} for run in logs})
    assert healthy.caption == "Loss terms and measures over the steps of pretraining."
    assert len(healthy.spec["spec"]["layer"]) == 1
