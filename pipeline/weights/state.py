"""Selects the state dictionary of one network from what a file holds."""

from typing import Any

from pipeline.weights.error import WeightsError
from pipeline.weights.source import Source
from pipeline.weights.stored_tensor import StoredTensor
from pipeline.weights.tensors import Tensors

# Entries that state dictionaries are found under. The first is what DINO, iBOT, DINOv2 and HSSL evaluate.
_PREFERRED = "teacher"
_ENTRIES = (_PREFERRED, "student", "state_dict", "model", "state_dict_ema", "model_ema")
_WRAPPERS = ("module.", "_orig_mod.")  # of parallel and of compiled networks: before every name
# Names under which a base is part of a larger network, the first one that is there.
PREFIXES = (
    "backbone.",
    "base_encoder.",
    "timm_model.",
    "vit.",
    "vit_mae.",
    "dinov2.",
    "encoder_q.",
    "resnet.",
)
_BESIDE = {
    r"(head|head2|dino_head|ibot_head|predictor|projector|classifier|pooler)\..*": "heads",
    r"momentum_encoder\..*": "the momentum encoder",
    r"encoder_k\..*": "the momentum encoder",
    r"queue(_ptr)?": "MoCo's queue",
    r"decoder\..*": "the decoder",
}


def chosen_tensors(source: Source, key: str | None) -> tuple[Tensors, str]:
    """The tensors of one network by name, and the prefix that was removed from their names.

    Args:
        key: an entry of the file, or the first part of names; None: the teacher, or the only network.

    Raises:
        WeightsError: there is no such network, or it is not clear which one is meant.
    """
    origin, value, said = str(source.path), source.value, []
    if not isinstance(value, dict) or not value:
        raise WeightsError(f"{origin}: holds no named tensors")
    if not _is_state(value):
        entry = _entry(origin, value, key)
        said.append(f"taken: {entry!r}")
        value, key = value[entry], None if entry == key else key
    for wrapper in _WRAPPERS:
        if all(name.startswith(wrapper) for name in value):
            value = {name.removeprefix(wrapper): tensor for name, tensor in value.items()}
    if key is not None and not any(name.startswith(f"{key}.") for name in value):
        raise WeightsError(f"{origin}: no entry and no network {key!r} in it")
    prefixes = PREFIXES if key is None else (f"{key}.",)
    prefix = next((each for each in prefixes if any(name.startswith(each) for name in value)), "")
    inside = {name.removeprefix(prefix): tensor for name, tensor in value.items() if name.startswith(prefix)}
    beside = Tensors(origin, {name: value[name] for name in value if not name.startswith(prefix)})
    rules = {rf"{other[:-1]}\..*": f"the network {other[:-1]!r}" for other in PREFIXES if other != prefix}
    beside.ignore(_BESIDE if key is None else _BESIDE | rules)
    beside.finish()
    tensors = Tensors(origin, inside)
    tensors.said += [*said, *beside.said]
    return tensors, prefix


def _entry(origin: str, value: dict[str, Any], key: str | None) -> str:
    found = [entry for entry in value if isinstance(entry, str) and _is_state(value[entry])]
    if key in found:
        return key
    known = [entry for entry in _ENTRIES if entry in found]
    if known and (known[0] == _PREFERRED or len(known) == 1):
        return known[0]
    wanted = "no state dictionary under a known name" if not known else "several networks"
    raise WeightsError(f"{origin}: {wanted}; choose with key, from {found or 'nothing that holds tensors'}")


def _is_state(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) > 0
        and all(isinstance(name, str) and isinstance(each, StoredTensor) for name, each in value.items())
    )
