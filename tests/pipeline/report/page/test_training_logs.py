import json
import math
import tracemalloc

from pipeline.report.page.training_logs import read_training_log

CONFIG = {"projection_head": {"num_prototypes": 16}}


def a_log(tmp_path, lines):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def a_line(step, **values):
    return {"step": step, "feature_spread": 0.7, "prototype_entropy": 1.0, "teacher_entropy": 1.0} | values


def test_the_steps_of_a_collapse_are_found(tmp_path):
    changes = {50: {"prototype_entropy": 0.0}, 100: {"teacher_entropy": math.log(16)}}
    path = a_log(tmp_path, [a_line(step, **changes.get(step, {})) for step in (1, 50, 100, 150)])
    found = read_training_log(path, CONFIG, 1).warnings
    assert {step: text.partition(":")[0] for step, text in found.items()} == {50: "collapsed", 100: "flat"}


def test_a_method_without_prototypes_is_judged_by_its_features(tmp_path):
    lines = [{"step": 1, "feature_spread": 0.5}, {"step": 50, "feature_spread": 0.0}, {"step": 60, "loss": 1}]
    assert [*read_training_log(a_log(tmp_path, lines), {}, 1).warnings] == [50]


def test_a_long_log_is_thinned_and_each_quantity_keeps_its_ends(tmp_path):
    often = [{"step": step, "loss": 1.0} for step in range(1, 5001)]
    seldom = {137: {"monitor_rankme": 9.0}, 4321: {"monitor_rankme": 11.0}}
    path = a_log(tmp_path, [line | seldom.get(line["step"], {}) for line in often])
    lines = read_training_log(path, {}, 1).lines
    assert len(lines) == 302
    assert (lines[0]["step"], lines[-1]["step"]) == (1, 5000)
    assert [line["step"] for line in lines if "monitor_rankme" in line] == [137, 4321]
    assert len(read_training_log(path, {}, 10).lines) == 92, "many runs share the room of one figure"


def test_of_many_warnings_some_lines_are_kept_and_all_are_counted(tmp_path):
    path = a_log(tmp_path, [{"step": step, "feature_spread": 0.0} for step in range(1, 2001)])
    log = read_training_log(path, {}, 900)
    assert len(log.warnings) == 2000
    assert (len(log.lines), log.lines[0]["step"], log.lines[-1]["step"]) == (50, 1, 2000)


def test_what_is_held_does_not_grow_with_the_log(tmp_path):
    def peak(num_lines):
        path = a_log(tmp_path, [a_line(step) for step in range(num_lines)])
        tracemalloc.start()
        try:
            read_training_log(path, CONFIG, 1)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1000)
    assert peak(20_000) < 2 * peak(2000)


def test_without_a_log_there_is_nothing(tmp_path):
    log = read_training_log(tmp_path / "metrics.jsonl", CONFIG, 1)
    assert (log.lines, log.warnings) == ([], {})
