import pytest

from pipeline.config.experiment import Experiment


@pytest.fixture
def experiment() -> Experiment:
    return Experiment(
        name="small",
        backbone={"image_size": 32, "patch_size": 8},
        crops={"global_size": 32},
        features={"crop_size": 32},
    )
