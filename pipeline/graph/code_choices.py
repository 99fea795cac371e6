"""Which architectures, methods and probes a run uses: only their entries in the tables are part of its code.

An entry is its value, the imports that only this entry needs, and those of the class that it names.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.config.backbone import BASES, BackboneConfig
from pipeline.config.methods import MethodSection
from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.config.section import Section
from pipeline.config.weights import ForeignConfig
from pipeline.evaluate.probes.settings import ProbeSection

# Module -> name of the dict literal in it from which a configuration chooses entries.
TABLES = {
    "pipeline.evaluate.probes.settings": "PROBES",
    "pipeline.models.auxiliary_heads.kinds": "BLOCKS",
    "pipeline.models.backbones": "NETWORKS",
    "pipeline.pretrain.methods.settings": "METHODS",
}
Choices = frozenset[tuple[str, str]]  # of (module, key)

_PROBES, _HEADS, _BASES, _METHODS = TABLES


def chosen_entries(sections: Iterable[Section]) -> Choices:
    """The (module, key) entries of `TABLES` that these configurations name, at any depth."""
    return frozenset(entry for section in sections for entry in _entries(section))


def _entries(value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case AuxiliaryHeadConfig():
            yield _HEADS, value.kind
        case BackboneConfig():
            yield _BASES, value.kind
        case ForeignConfig():  # only the file of weights says which kind it is
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
