"""Shared by MoCo v3 and BYOL: predictions of a student match the projections of its moving average.

With V views of an image, one term compares the student's predictions q with the teacher's projections k of
other views: agree(q, k). The method alone:

    L = agree(predictor(projector(base^s)), projector(base^t))

With HSSL the teacher's vectors come from its auxiliary head, and teach base and head, half each, as the
head's teacher does in the published form with iBOT (L_het + L_aux):

    k = auxiliary_projector(head^t)
    L = 0.5 (agree(base_predictor(base_projector(base^s)), k)
             + agree(auxiliary_predictor(auxiliary_projector(head^s)), k))

That base and head have a predictor each, as they have a projector each, is this project's choice; the paper
names MoCo but shows no such recipe. The teacher has no predictor.
"""

from abc import abstractmethod

import jittor as jt

from pipeline.models.hssl import initialize_teacher
from pipeline.models.initialization import initialize
from pipeline.models.joint_embedding import CANCELLED, JointEmbeddingNetwork
from pipeline.optim.schedules import Rates
from pipeline.pretrain.agreement import Agreement
from pipeline.pretrain.methods.method import Method, MethodInput, Networks
from pipeline.pretrain.outputs import MethodOutput, TeacherOutput
from pipeline.pretrain.upload import as_variable
from pipeline.training.losses import Losses


class MomentumMethod(Method):
    """Everything of such a method except the loss between vectors.

    Class attributes:
        last_norm: whether projectors and predictors end in a batch norm.
    """

    last_norm: bool

    @abstractmethod
    def agree(self, queries: jt.Var, keys: jt.Var, num_views: int) -> Agreement:
        """The loss of queries (V B, C) and keys (V B, C), unit vectors."""

    def networks(self) -> Networks:
        student = JointEmbeddingNetwork(self.config, predictors=True, last_norm=self.last_norm)
        teacher = JointEmbeddingNetwork(self.config, predictors=False, last_norm=self.last_norm, teacher=True)
        initialize(student, self.config.seed)
        initialize_teacher(teacher, self.config.seed)
        return Networks(student, teacher)

    def frozen(self, name: str, student: JointEmbeddingNetwork, rates: Rates) -> bool:
        return name in CANCELLED or super().frozen(name, student, rates)

    def forward(self, networks: Networks, inputs: MethodInput) -> MethodOutput:
        batch = inputs.batch
        images, num_views = as_variable(batch.flat_global_crops), len(batch.global_crops)
        with jt.no_grad():
            taught = networks.teacher.vectors(images, num_views)
        seen = networks.student.vectors(images, num_views, inputs.drop_path.global_crops)
        base = self.agree(seen.base, taught.teaching, num_views)
        terms, total = {"base_cls": base.loss}, base.loss
        if seen.auxiliary is not None:
            auxiliary = self.agree(seen.auxiliary, taught.teaching, num_views)
            terms["auxiliary_cls"] = auxiliary.loss
            total = 0.5 * (base.loss + auxiliary.loss)
        metrics = {} if base.retrieval is None else {"retrieval": base.retrieval}
        return MethodOutput(Losses(total, terms), TeacherOutput(taught.features), metrics=metrics)
