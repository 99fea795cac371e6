"""Networks of methods that compare vectors of two views: MoCo v3, BYOL, SimCLR.

Shapes: rows are V views of B images, row v B + b being view v of image b; vectors have C channels.
"""

from dataclasses import dataclass

import jittor as jt

from pipeline import kernels
from pipeline.config.stages import PretrainConfig
from pipeline.models.batch_norm_mlp import BatchNormMlp
from pipeline.models.encoder import NO_PATCHES, Tokens
from pipeline.models.hssl import DropPathScales, EncodingNetwork

# Shifts of a projector's input: its batch norm cancels them, so their gradient is zero, and Adam would turn
# its rounding noise into steps of full size. They are kept at their initial value, 0.
CANCELLED = frozenset({"backbone.norm.bias", "auxiliary_head.norm.bias"})


@dataclass(frozen=True)
class Vectors:
    """Unit vectors (V B, C) of base and auxiliary head; None if the network has no MLP for them."""

    base: jt.Var | None
    auxiliary: jt.Var | None
    features: jt.Var  # (V B, D) the base's global vectors, without gradient

    @property
    def teaching(self) -> jt.Var:
        """The auxiliary head's vectors if there are any, else the base's."""
        return self.base if self.auxiliary is None else self.auxiliary


class JointEmbeddingNetwork(EncodingNetwork):
    """Backbone and auxiliary head, each with its own projector and, optionally, predictor.

    As in HSSL's published form, base and head have separate MLPs into one space.

    Args:
        config: its method has hidden_dim, out_dim, projector_layers and, for predictors, predictor_layers.
        predictors: whether there are any, as in a student that a moving average teaches.
        last_norm: of projectors and predictors, see `BatchNormMlp`.
        teacher: whether it is the teacher, which only has the projector of the vectors that teach.
    """

    def __init__(self, config: PretrainConfig, *, predictors: bool, last_norm: bool, teacher: bool = False):
        super().__init__(config)
        method, dim, has_head = config.method, config.backbone.dim, config.auxiliary_head is not None

        def projector() -> BatchNormMlp:
            layers = method.projector_layers
            return BatchNormMlp(dim, method.hidden_dim, method.out_dim, layers, last_norm=last_norm)

        def predictor() -> BatchNormMlp:
            out, layers = method.out_dim, method.predictor_layers
            return BatchNormMlp(out, method.hidden_dim, out, layers, last_norm=last_norm)

        self.base_projector = None if teacher and has_head else projector()
        self.auxiliary_projector = projector() if has_head else None
        self.base_predictor = predictor() if predictors else None
        self.auxiliary_predictor = predictor() if predictors and has_head else None

    def vectors(self, images: jt.Var, num_views: int, drop_path: DropPathScales | None = None) -> Vectors:
        """images (V B, 3, H, W) -> the vectors to compare: predictions if there are predictors."""
        seen = self.encode(images, None, drop_path, chosen=NO_PATCHES)
        return Vectors(
            base=_unit(seen.base_cls, num_views, self.base_projector, self.base_predictor),
            auxiliary=_unit(
                seen.auxiliary_cls, num_views, self.auxiliary_projector, self.auxiliary_predictor
            ),
            features=seen.base_cls.detach(),
        )

    def comparable_vectors(self, tokens: Tokens) -> tuple[jt.Var, jt.Var] | None:
        """Projections of base and head, with the statistics of this batch.

        None if the base meets the head's vectors only through a predictor, or the network is a teacher.
        """
        if self.base_predictor is not None or self.base_projector is None:
            return None
        return (
            _unit(tokens.cls, 1, self.base_projector, None),
            _unit(self.auxiliary_head(tokens.feature_map), 1, self.auxiliary_projector, None),
        )


def _unit(
    x: jt.Var | None, num_views: int, projector: BatchNormMlp | None, predictor: BatchNormMlp | None
) -> jt.Var | None:
    if projector is None:
        return None
    x = projector(x, num_views)
    return kernels.l2_normalize(x if predictor is None else predictor(x, num_views))
