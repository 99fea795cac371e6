"""Detection and instance masks: boxes, proposals, targets, losses and heads."""
