import pytest

from benchmarks.side_by_side import Disagreement, Measured, check_agreement, compare


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class FakeWorker:
    def __init__(self, clock, seconds, log, name, idle=0.0):
        self.check, self.clock, self.seconds, self.log, self.name = {}, clock, seconds, log, name
        self.idle = idle  # processor seconds that it claims to use per second

    def repeat(self):
        self.log.append(self.name)
        self.clock.now += self.seconds
        return self.seconds

    def cpu_seconds(self):
        return self.idle * self.clock.now


def compared(**options):
    clock, log = Clock(), []
    ours, other = FakeWorker(clock, 1.0, log, "ours"), FakeWorker(clock, 2.0, log, "other")
    return compare(ours, other, clock=clock, settle=lambda seconds: None, **options), log


def test_programs_are_measured_in_turn():
    found, log = compared(repeats=3, seconds=100)
    assert log == ["ours", "other"] * 3
    assert found.order == tuple(log)
    assert (found.ours.median, found.other.median) == (1.0, 2.0)
    assert found.idle_share == 0


@pytest.mark.parametrize(("seconds", "rounds"), [(0, 2), (8.9, 2), (9, 3), (100, 7)])
def test_a_budget_of_seconds_ends_it_but_not_before_two_rounds(seconds, rounds):
    _, log = compared(repeats=7, seconds=seconds)
    assert len(log) == 2 * rounds


def test_an_idle_process_that_is_busy_is_noticed():
    clock, log = Clock(), []
    spinning = FakeWorker(clock, 2.0, log, "other", idle=0.9)
    found = compare(
        FakeWorker(clock, 1.0, log, "ours"),
        spinning,
        repeats=2,
        seconds=9,
        clock=clock,
        settle=lambda s: None,
    )
    assert found.idle_share == pytest.approx(0.9 * 2 / 6)  # busy in the two seconds of ours, of six


def test_ours_alone():
    clock, log = Clock(), []
    found = compare(
        FakeWorker(clock, 1.0, log, "ours"), None, repeats=3, seconds=9, clock=clock, settle=lambda s: None
    )
    assert (found.other, log) == (None, ["ours"] * 3)


def test_quartiles():
    assert Measured((5.0, 1.0, 2.0, 3.0, 4.0)).spread == (2.0, 4.0)
    assert Measured((3.0, 1.0)).spread == (1.0, 3.0)
    assert Measured((3.0, 1.0)).median == 2.0


def test_programs_that_differ_are_refused():
    check_agreement({"loss": 2.0}, {"loss": 2.001}, 1e-3)
    with pytest.raises(Disagreement, match=r"loss: ours found 2, the other 2\.01"):
        check_agreement({"loss": 2.0}, {"loss": 2.01}, 1e-3)
    with pytest.raises(Disagreement, match="loss"):
        check_agreement({"loss": 2.0}, {"loss": float("nan")}, 1e-3)
    with pytest.raises(Disagreement, match="different things"):
        check_agreement({"loss": 2.0}, {}, 1e-3)
