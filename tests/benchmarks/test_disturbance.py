import os

import pytest

from benchmarks.disturbance import MAX_SHARE, Disturbance, ProcessorTime

TICKS = os.sysconf("SC_CLK_TCK")


def stat(path, **seconds):
    fields = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
    counts = [str(round(seconds.get(field, 0) * TICKS)) for field in fields]
    path.write_text(f"cpu  {' '.join(counts)}\ncpu0 {' '.join(counts)}\nintr 1 2 3\n")
    return path


def test_shares_of_host_and_other_programs(tmp_path):
    path = stat(tmp_path / "stat", user=1000, idle=5000, steal=10)
    counting = ProcessorTime(path)
    stat(path, user=1040, idle=5050, steal=20)
    found = counting.disturbance()
    assert found.stolen == pytest.approx(0.1)
    assert found.others == pytest.approx(0.4, abs=0.01)  # this process used none of the 40 seconds
    assert found.is_noisy
    assert "the host took 10% of the processors' time and other programs 4" in found.description


def test_what_this_process_uses_disturbs_nobody(tmp_path):
    path = stat(tmp_path / "stat")
    counting, before = ProcessorTime(path), os.times().user
    while os.times().user < before + 0.3:
        sum(range(1000))
    stat(path, user=0.3, idle=0.7)
    assert counting.disturbance().others == pytest.approx(0, abs=0.05)


def test_a_little_is_no_noise():
    assert not Disturbance(MAX_SHARE / 2, MAX_SHARE / 2).is_noisy
    assert Disturbance(MAX_SHARE, MAX_SHARE / 2).is_noisy
