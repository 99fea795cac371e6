"""The monitors of a network during training; each belongs to a pretraining's code only if it is used.

So an edit of k-NN or of the pictures outdates no pretraining without them.
"""

from pipeline.pretrain.monitor.monitor import Monitor
from pipeline.pretrain.monitor.pictures import PicturedImages

MONITORS: dict[str, type] = {
    "measures": Monitor,  # monitor.every_epochs
    "pictures": PicturedImages,  # monitor.pictures_every_epochs
}
