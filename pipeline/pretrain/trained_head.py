"""Loads the auxiliary head of a finished pretraining from its checkpoint, as no artifact exports it."""

from pathlib import Path

from pipeline.config.stages import PretrainConfig
from pipeline.models.auxiliary_heads.base import AuxiliaryHead
from pipeline.models.weights import assign_parameters
from pipeline.pretrain.methods.method import method_of
from pipeline.training.checkpoint_files import CHECKPOINT, read_checkpoint


def load_auxiliary_head(config: PretrainConfig, pretraining: Path, weights: str) -> AuxiliaryHead | None:
    """The head of the network whose base is evaluated, from a finished pretraining.

    Args:
        config: of the pretraining, with an auxiliary head.
        pretraining: its artifact.
        weights: "teacher" for the network that the method publishes, or "student", as in `features.weights`.

    Returns:
        The head; None if the checkpoint was deleted.

    Raises:
        WeightsError: the checkpoint is damaged, or does not fit.
    """
    path = pretraining / CHECKPOINT
    if not path.is_file():
        return None
    method = method_of(config)
    chosen = "student" if weights == "student" else method.published
    head = getattr(method.networks(), chosen).auxiliary_head
    prefix = f"{chosen}/auxiliary_head."
    arrays = read_checkpoint(path).arrays
    own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    parameters = dict(head.named_parameters())
    for parameter in parameters.values():
        parameter.stop_grad()
    assign_parameters(parameters, own, origin=str(path))
    return head
