"""What looks at a network while it trains: each is part of a pretraining's code where it is asked for alone.

So an edit of k-NN or of how pictures are drawn retires no pretraining that has neither.
"""

from pipeline.pretrain.monitor.monitor import Monitor
from pipeline.pretrain.monitor.pictures import PicturedImages

MONITORS: dict[str, type] = {
    "measures": Monitor,  # monitor.every_epochs
    "pictures": PicturedImages,  # monitor.pictures_every_epochs
}
