"""Connects ranks on GPUs by NCCL; where that fails, they exchange through the host's memory, and say so.

All ranks decide alike: each tells the others by MPI whether it has NCCL, and whether it has joined.
"""

import ctypes

import numpy as np

from pipeline.ranks.exchange import Ranks, RanksDiffer, exchange_by, ranks_of_this_process
from pipeline.ranks.nccl import UNIQUE_ID_BYTES, Communicator, Nccl, NcclFailed
from pipeline.runtime.cuda.nccl import NcclMissing, load_nccl, nccl_version
from pipeline.runtime.cuda.used import used_setup
from pipeline.runtime.heartbeat import waiting_for_others

_WORDS_BYTES = 300  # of a reason that is passed on
HOST = "MPI"  # what exchanges without NCCL


def connect() -> tuple[str, str | None]:
    """Connect this process's GPU with those of the other ranks; call once after Jittor's start. Collective.

    Returns:
        What exchanges variables, "MPI" or such as "NCCL 2.28.3"; a note for the user if GPUs exchange slowly.

    Raises:
        RanksDiffer: some ranks compute on a GPU, others on the processor.
    """
    ranks, setup = ranks_of_this_process(), used_setup()
    if ranks.count == 1:
        return HOST, None
    with_card = ranks.all_gather_arrays(np.array([setup is not None]))
    if len({bool(each[0]) for each in with_card}) == 2:
        places = {True: "a GPU", False: "the processor"}
        raise RanksDiffer(
            f"rank {ranks.index} of {ranks.count} computes on {places[setup is not None]}, other ranks on "
            f"{places[setup is None]}: ranks need a GPU each, or runtime.device = 'cpu'"
        )
    if setup is None:
        return HOST, None
    try:
        nccl, version = _loaded(ranks)
        communicator = joined(ranks, nccl, ctypes.CDLL(str(setup.toolkit.libraries / "libcudart.so")))
    except NcclRefused as reason:
        return HOST, f"the GPUs exchange through the host's memory, which is slow: {reason}"
    from pipeline.ranks.device_exchange import DeviceExchange

    exchange_by(DeviceExchange(communicator, ranks.count))
    return f"NCCL {version}", None


class NcclRefused(RuntimeError):
    """NCCL cannot be used, as all ranks know."""


def _loaded(ranks: Ranks) -> tuple[Nccl, str]:
    library, version, reason = None, (0, 0, 0), ""
    try:
        library = load_nccl()
        version = nccl_version(library)
    except NcclMissing as missing:
        reason = str(missing)
    _refuse_together(ranks, reason)
    versions = [".".join(map(str, each)) for each in ranks.all_gather_arrays(np.array(version))]
    if len(set(versions)) > 1:
        raise NcclRefused(f"their versions of NCCL differ: {', '.join(versions)}")
    return Nccl(library), versions[0]


def joined(ranks: Ranks, nccl: Nccl, runtime: ctypes.CDLL) -> Communicator:
    """Join all ranks, with the GPU of each.

    Args:
        runtime: CUDA's runtime that Jittor uses.

    Raises:
        NcclRefused: a rank could not join.
    """
    unique_id, reason, communicator = bytes(UNIQUE_ID_BYTES), "", None
    if ranks.is_first:
        try:
            unique_id = nccl.unique_id()
        except NcclFailed as failed:
            reason = str(failed)
    _refuse_together(ranks, reason)
    unique_id = ranks.broadcast(0, np.frombuffer(unique_id, np.uint8)).tobytes()
    try:
        with waiting_for_others():
            joined = nccl.communicator(unique_id, ranks.index, ranks.count)
        communicator = Communicator(nccl, runtime, joined)
    except NcclFailed as failed:
        reason = str(failed)
    _refuse_together(ranks, reason)
    return communicator


def _refuse_together(ranks: Ranks, reason: str) -> None:
    """Raise in every rank if one has a reason, with that of the first that has one."""
    own = np.frombuffer(reason.encode()[:_WORDS_BYTES].ljust(_WORDS_BYTES), np.uint8)
    for index, words in enumerate(ranks.all_gather_arrays(own)):
        if text := words.tobytes().decode(errors="replace").strip():
            raise NcclRefused(f"rank {index}: {text}")
