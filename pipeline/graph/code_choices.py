"""Which architectures, methods and probes a run uses: of their tables, only these lines are its code.

A line is its value, with what is imported for it alone and what the class that it names imports.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.config.backbone import BASES, BackboneConfig
from pipeline.config.methods import MethodSection
from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.config.section import Section
from pipeline.config.weights import ForeignConfig
from pipeline.evaluate.probes.settings import ProbeSection

# Module -> its dict literal whose entry a configuration chooses.
TABLES = {
    "pipeline.evaluate.probes.settings": "PROBES",
    "pipeline.models.auxiliary_heads.kinds": "BLOCKS",
    "pipeline.models.backbones": "NETWORKS",
    "pipeline.pretrain.methods.settings": "METHODS",
}
Choices = frozenset[tuple[str, str]]  # of (module, key)

_PROBES, _HEADS, _BASES, _METHODS = TABLES


def chosen_entries(sections: Iterable[Section]) -> Choices:
    """The entries of `TABLES` that configurations name, at any depth."""
    return frozenset(entry for section in sections for entry in _entries(section))


def _entries(value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case AuxiliaryHeadConfig():
            yield _HEADS, value.kind
        case BackboneConfig():
            yield _BASES, value.kind
        case ForeignConfig():  # which kind it is, the file decides
            yield from ((_BASES, kind) for kind in BASES)
        case MethodSection():
            yield _METHODS, value.name
        case ProbeSection():
            yield _PROBES, value.name
    if isinstance(value, Section):
        value = dict(value)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _entries(each)
