"""SimCLR, alone and with HSSL.

SimCLR has one network and no teacher: both views of a pair take the gradient. Alone, with projections b of
the base:

    L = nt_xent(b, b)

With HSSL, something must replace the teacher's head. Here (this project's choice, the paper shows no such
recipe) it is the head's own projections a with a stop-gradient, so that SimCLR stays without a teacher and
both arms are evaluated by the same kind of network:

    L_het = nt_xent(b, stop_gradient(a))     the head teaches the base
    L_aux = nt_xent(a, a)                    the head teaches itself, as SimCLR does
    L = 0.5 (L_het + L_aux)

In L_het a row's positives are the head's vectors of the image's other views, its negatives the head's vectors
of all other images; the head's vector of the same view is left out, as the row itself is in L_aux.

Source: Chen et al. 2020.
"""

from pipeline.models.initialization import initialize
from pipeline.models.joint_embedding import CANCELLED, JointEmbeddingNetwork
from pipeline.optim.schedules import Rates
from pipeline.pretrain.agreement import nt_xent
from pipeline.pretrain.methods.method import Method, MethodInput, Networks
from pipeline.pretrain.outputs import MethodOutput, TeacherOutput
from pipeline.pretrain.upload import as_variable
from pipeline.training.losses import Losses


class Simclr(Method):
    """One network whose projections are contrasted with one another."""

    def networks(self) -> Networks:
        student = JointEmbeddingNetwork(self.config, predictors=False, last_norm=False)
        initialize(student, self.config.seed)
        return Networks(student, None)

    def frozen(self, name: str, student: JointEmbeddingNetwork, rates: Rates) -> bool:
        return name in CANCELLED or super().frozen(name, student, rates)

    def forward(self, networks: Networks, inputs: MethodInput) -> MethodOutput:
        temperature, batch = self.config.method.temperature, inputs.batch
        num_views = len(batch.global_crops)
        seen = networks.student.vectors(
            as_variable(batch.flat_global_crops), num_views, inputs.drop_path.global_crops
        )
        if seen.auxiliary is None:
            base = nt_xent(seen.base, seen.base, num_views, temperature)
            losses = Losses(base.loss, {"base_cls": base.loss})
        else:
            base = nt_xent(seen.base, seen.auxiliary.detach(), num_views, temperature)
            own = nt_xent(seen.auxiliary, seen.auxiliary, num_views, temperature)
            losses = Losses(0.5 * (base.loss + own.loss), {"base_cls": base.loss, "auxiliary_cls": own.loss})
        return MethodOutput(losses, TeacherOutput(seen.features), metrics={"retrieval": base.retrieval})
