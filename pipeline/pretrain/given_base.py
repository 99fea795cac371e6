"""Starts a pretraining from a base that was trained elsewhere."""

from pathlib import Path

from pipeline.config.backbone import BackboneConfig
from pipeline.models.backbone_file import load_backbone
from pipeline.models.weights import WeightsError, assign_arrays, named_arrays
from pipeline.pretrain.step import TrainState


def with_base(state: TrainState, path: Path, config: BackboneConfig) -> TrainState:
    """Load a backbone's file into the base of student and teacher; everything else is unchanged.

    Raises:
        WeightsError: the file's base differs from that in `config`.
    """
    given = load_backbone(path)
    # The name of a size adds nothing to its numbers.
    found, expected = (each.model_dump(exclude={"size"}) for each in (given.config, config))
    # Fields that are not given are missing in a dump, such as the norm of a ResNet of this project.
    names = {**expected, **found}
    different = [name for name in names if found.get(name) != expected.get(name)]
    if different:
        pairs = ", ".join(f"{name} {found.get(name)}, expected {expected.get(name)}" for name in different)
        raise WeightsError(f"{path}: the base that training is to start from has {pairs}")
    arrays = named_arrays(given.network)
    for network in (state.student, state.teacher):
        if network is not None:
            assign_arrays(network.backbone, arrays, str(path))
    return state
