from pipeline.training.metrics_log import append_metrics, read_metrics, rewind


def test_rewind_drops_later_and_broken_lines(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for step in (10, 20, 30):
        append_metrics(path, {"step": step, "loss": 1.5})
    with open(path, "a") as stream:
        stream.write('{"step": 40, "lo')
    rewind(path, 20)
    assert [line["step"] for line in read_metrics(path)] == [10, 20]
    append_metrics(path, {"step": 30, "loss": 1.0})
    assert [line["step"] for line in read_metrics(path)] == [10, 20, 30]


def test_a_missing_log_is_empty(tmp_path):
    rewind(tmp_path / "none.jsonl", 5)
    assert read_metrics(tmp_path / "none.jsonl") == []
