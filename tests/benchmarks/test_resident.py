import numpy as np

from benchmarks.resident import reset_peak, resident_mib


def test_a_peak_is_counted_until_it_is_forgotten():
    before = resident_mib()
    np.ones(2**25)  # 256 MiB
    assert resident_mib("VmHWM") > before + 200
    reset_peak()
    assert resident_mib("VmHWM") < resident_mib() + 50
