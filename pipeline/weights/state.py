"""Selects the state dictionary of one network in a file, and the base within it."""

import re
from collections.abc import Iterator
from typing import Any

from pipeline.weights.error import WeightsError
from pipeline.weights.layouts import LAYOUTS
from pipeline.weights.plain_pickle import Foreign
from pipeline.weights.source import Source
from pipeline.weights.stored_tensor import StoredTensor
from pipeline.weights.tensors import Tensors

# Names of entries that hold state dictionaries. DINO, iBOT and HSSL evaluate the first two.
_PREFERRED = ("teacher", "teacher_backbone")
_ENTRIES = (
    *_PREFERRED,
    *("student", "student_backbone", "state_dict", "model", "model_state_dict", "model_state", "module"),
    *("net", "network", "backbone", "encoder", "target_encoder", "weights", "params"),
    *("state_dict_ema", "model_ema", "ema", "ema_state_dict"),
)
_MOST_NESTED = 4
# Parts of names that wrappers insert: of parallel, compiled, sharded and checkpointed networks.
_WRAPPERS = re.compile(
    r"(^|\.)(module|_orig_mod|_forward_module|_fsdp_wrapped_module|_checkpoint_wrapped_module)(?=\.)"
)
# Networks of a file that are not the evaluated one.
_OTHERS = {"student", "momentum_encoder", "encoder_k", "decoder", "predictor"}
_NO_PREFIX = re.compile(r"(.*\.)?(layers?\d*|stages|blocks|features)\.\d+\.")  # parts of a network
_BESIDE = {
    r"(.*\.)?(\w*heads?\d?|predictor|projector|projection|classifier|pooler|fc|neck|prototypes)\..*": "heads",
    r"(.*\.)?(momentum_encoder|encoder_k)\..*": "the momentum encoder",
    r"(.*\.)?queue\d*(_ptr)?": "MoCo's queue",
    r"(.*\.)?decoder\w*\..*": "the decoder",
    r"(.*\.)?center": "the centre of a loss",
}


def chosen_tensors(source: Source, key: str | None) -> tuple[Tensors, str]:
    """The tensors of one network by name, and the prefix that was removed from their names.

    Args:
        key: an entry of the file, or the first part of names; None: the teacher, or the only network.

    Raises:
        WeightsError: there is no such network, or the choice is ambiguous.
    """
    origin, value, notes = str(source.path), source.value, []
    if isinstance(value, dict) and (foreign := sorted(set(_foreign(value)))):
        notes.append(f"left out unread, beside the tensors: {', '.join(foreign[:3])}")
    value, key = _state(origin, value, key, notes)
    value = _unwrapped(origin, value)
    prefix = _prefix(origin, list(value), key)
    others = tuple(each for each in _prefixes(value) if each not in ("", prefix))
    own = {name: name.startswith(prefix) and not name.startswith(others) for name in value}
    inside = {name.removeprefix(prefix): tensor for name, tensor in value.items() if own[name]}
    beside = Tensors(origin, {name: tensor for name, tensor in value.items() if not own[name]})
    beside.ignore({rf"{re.escape(other)}.*": f"the network {other[:-1]!r}" for other in others})
    beside.ignore(_BESIDE if key is None else {".*": f"what is not of {key!r}"})
    beside.finish(f"key = {prefix[:-1]!r} leaves them out")
    tensors = Tensors(origin, inside)
    tensors.notes += [*notes, *beside.notes]
    return tensors, prefix


def _state(
    origin: str, value: Any, key: str | None, notes: list[str]
) -> tuple[dict[str, StoredTensor], str | None]:
    """The state dictionary, and the key unless it named an entry; the entries taken are noted."""
    if not isinstance(value, dict) or not value:
        raise WeightsError(_only_foreign(origin, value) or f"{origin}: holds no named tensors")
    for _ in range(_MOST_NESTED):
        if _is_state(value):
            return value, key
        entry = _entry(origin, value, key)
        notes.append(f"taken: {entry!r}")
        value, key = value[entry], None if entry == key else key
    raise WeightsError(f"{origin}: entries within entries, and no tensors in them")


def _entry(origin: str, value: dict[str, Any], key: str | None) -> str:
    holding = [entry for entry in value if isinstance(entry, str) and _holds_state(value[entry])]
    if key in holding:
        return key
    known = [entry for entry in _ENTRIES if entry in holding]
    if known and (known[0] in _PREFERRED or len(known) == 1):
        return known[0]
    if not holding and (refused := _only_foreign(origin, value)):
        raise WeightsError(refused)
    wanted = "no state dictionary under a known name" if not known else "several networks"
    raise WeightsError(f"{origin}: {wanted}; choose with key, from {holding or 'nothing that holds tensors'}")


def _is_state(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) > 0
        and all(isinstance(name, str) and isinstance(each, StoredTensor) for name, each in value.items())
    )


def _holds_state(value: Any, depth: int = _MOST_NESTED) -> bool:
    """Whether a value is a state dictionary, or holds one under known names."""
    if _is_state(value):
        return True
    inner = value if isinstance(value, dict) and depth else {}
    return any(entry in inner and _holds_state(inner[entry], depth - 1) for entry in _ENTRIES)


def _unwrapped(origin: str, state: dict[str, StoredTensor]) -> dict[str, StoredTensor]:
    """The tensors by their names without the parts that wrappers insert."""
    named = {_WRAPPERS.sub("", name).removeprefix("."): tensor for name, tensor in state.items()}
    if len(named) < len(state):
        raise WeightsError(f"{origin}: names that differ by a wrapper alone, such as 'module'")
    return named


def _prefixes(names: Any) -> list[str]:
    """Prefixes of the names of every network of a known layout."""
    found = {
        name[: -len(key)] for name in names for key in LAYOUTS if name == key or name.endswith(f".{key}")
    }
    return sorted(each for each in found if not _NO_PREFIX.fullmatch(each))


def _prefix(origin: str, names: list[str], key: str | None) -> str:
    found = _prefixes(names)
    if key is not None:
        within = [each for each in found if f".{each}".startswith(f".{key}.")]
        if not within and not any(name.startswith(f"{key}.") for name in names):
            raise WeightsError(f"{origin}: no entry and no network {key!r} in it")
        found = within or [f"{key}."]
    if len(found) > 1:
        found = [each for each in found if not _OTHERS & set(each.split("."))] or found
    if len(found) > 1:
        choices = [each[:-1] for each in found]
        raise WeightsError(f"{origin}: several networks in it; choose with key, from {choices}")
    return found[0] if found else ""


def _foreign(value: Any) -> Iterator[str]:
    """Names of classes whose objects were not read."""
    if isinstance(value, Foreign):
        yield value.name
    elif isinstance(value, dict):
        for each in value.values():
            yield from _foreign(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _foreign(each)


def _only_foreign(origin: str, value: Any) -> str | None:
    """The message for a file that holds an object of some class in place of tensors; None for others."""
    name = next(_foreign(value), None)
    return name and f"{origin}: holds a {name}; only plain values and arrays of numbers are read"
