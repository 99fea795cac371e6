import io

from rich.console import Console

from pipeline.watch.losses import LossCurve
from pipeline.watch.states import DONE, RUNNING, STOPPED, WAITING, StageState
from pipeline.watch.view import closing_line, curve, screen, shown

STATES = [
    StageState("prepare:images", DONE, 12.0, 0.0),
    StageState("pretrain:ibot-seed0", RUNNING, 60.0, 180.0, "25%| 100/400", ("step 50: flat",)),
    StageState("tables", WAITING, None, 0.2),
]


def printed(*arguments, **options) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(screen(*arguments, **options))
    return console.file.getvalue()


def test_a_screen_holds_stages_curves_warnings_and_the_time_left():
    text = printed(
        "mine", "mine.toml", STATES, [LossCurve("pretrain:ibot-seed0", 100, [6.0, 4.0])], max_lines=9
    )
    shown_parts = (
        "prepare:images",
        "12 s",
        "100/400",
        "█▁",
        "step 50: flat",
        "1 of 3 stages are done",
        "3 min left",
    )
    for part in shown_parts:
        assert part in text, part


def test_of_many_stages_those_around_what_runs_are_shown():
    many = [StageState(f"done:{i}", DONE, 1.0, 0.0) for i in range(30)]
    many += [StageState("runs", RUNNING, 1.0, 1.0)] + [StageState(f"waits:{i}", WAITING) for i in range(30)]
    labels = [state.label for state in shown(many, 9)]
    assert len(labels) == 9
    assert labels[3] == "runs"
    assert "and 52 more" in printed("mine", "mine.toml", many, [], max_lines=9)


def test_the_closing_line_says_when_nothing_runs():
    stopped = [STATES[0], StageState("pretrain:ibot-seed0", STOPPED, notes=("killed",))]
    line = closing_line("mine", "mine.toml", stopped)
    assert line.startswith("mine: 1 of 2 stages are done")
    assert "nothing runs now: doit run all experiment=mine.toml goes on" in line
    assert "left, 2 stages at once" in closing_line("mine", "mine.toml", stopped, 2)
    assert closing_line("mine", "mine.toml", STATES[:1]) == "mine: 1 of 1 stages are done"


def test_a_curve_goes_from_the_lowest_block_to_the_highest():
    assert curve([0.0, 7.0, 3.0]) == "▁█▄"
    assert curve([2.0, 2.0]) == "▁▁"
    assert curve([]) == ""
    assert curve([float(i) for i in range(80)], columns=8) == "▁▂▃▄▅▆▇█"


def test_a_long_bar_takes_no_room_from_names_and_times():
    bar = "pretrain:hssl-seed0:  70%|██████▉   | 450/643 [02:31<01:09, 2.77step/s, loss 5.31 " + "x" * 200
    states = [StageState("pretrain:hssl-seed0", RUNNING, 20.0, 30.0, bar)]
    for width in (60, 120):
        console = Console(width=width, file=io.StringIO())
        console.print(screen("e", "e.toml", states, [], max_lines=9))
        (line,) = [each for each in console.file.getvalue().splitlines() if "70%" in each or "70…" in each]
        assert line.split()[:6] == ["pretrain:hssl-seed0", "running", "20", "s", "30", "s"]
        assert len(line) <= width
