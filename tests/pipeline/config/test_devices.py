import pytest
from pydantic import ValidationError

from pipeline.config.devices import check_device
from pipeline.config.stages import RuntimeConfig


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:11"])
def test_names_of_devices(device):
    assert check_device(device) == device
    assert RuntimeConfig(device=device).device == device


@pytest.mark.parametrize(
    "device", ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda0", "CUDA", "cpu:0", "cuda:1\n"]
)
def test_other_names_are_refused(device):
    with pytest.raises(ValidationError, match="'auto', 'cpu', 'cuda' or 'cuda:N'"):
        RuntimeConfig(device=device)
