"""Connects ranks on processors as if they were GPUs, over the stand-ins."""

import ctypes

from pipeline.ranks.connecting import joined
from pipeline.ranks.device_exchange import DeviceExchange
from pipeline.ranks.exchange import exchange_by, ranks_of_this_process
from pipeline.ranks.nccl import Nccl
from tests.nccl_stand_in.build import stand_in_nccl, stand_in_streams


def connect() -> None:
    """From now on variables are exchanged as between GPUs; collective, after Jittor's start."""
    ranks, nccl = ranks_of_this_process(), Nccl(ctypes.CDLL(str(stand_in_nccl())))
    communicator = joined(ranks, nccl, ctypes.CDLL(str(stand_in_streams())))
    exchange_by(DeviceExchange(communicator, ranks.count))


def counts() -> dict[str, int]:
    """Launches of reductions, their bytes, and gathers of this process so far."""
    found = (ctypes.c_long * 3)()
    ctypes.CDLL(str(stand_in_nccl())).stand_in_counts(found)
    return dict(zip(("launches", "bytes", "gathers"), found, strict=True))
