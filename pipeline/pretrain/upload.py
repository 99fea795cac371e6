"""Uploads crops from the loader to the device of Jittor."""

from dataclasses import replace

import jittor as jt
import numpy as np

from pipeline.pretrain.batch import Batch


def uploaded(batch: Batch) -> Batch:
    """The batch with its crops as Jittor variables, uploaded once for all networks."""
    crops = {"global_crops": batch.global_crops, "local_crops": batch.local_crops}
    # An empty array stays one: nobody needs a variable of it.
    return replace(batch, **{name: as_variable(each) for name, each in crops.items() if each.shape[0]})


def as_variable(crops: np.ndarray | jt.Var) -> jt.Var:
    """The crops, uploaded unless they are already."""
    return crops if isinstance(crops, jt.Var) else jt.array(crops)
