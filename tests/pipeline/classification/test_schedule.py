import pytest

from pipeline.classification.schedule import schedule_in_steps
from pipeline.config.finetune import ClassificationSchedule


def test_the_defaults_on_imagenet():
    steps = schedule_in_steps(ClassificationSchedule(), 1_281_167)
    assert (steps.num_steps, steps.warmup_steps) == (125_114, 6256)
    assert (steps.lr, steps.min_lr, steps.decay) == (pytest.approx(2e-3), 1e-6, "cosine")
    assert (steps.max_gradient_norm, steps.embeddings_decay) == (0, False)


@pytest.mark.parametrize(("num_images", "num_steps", "warmup_steps"), [(16_000, 5000, 500), (160, 300, 30)])
def test_a_small_subset_is_trained_on_for_the_least_number_of_steps(num_images, num_steps, warmup_steps):
    schedule = ClassificationSchedule(epochs=20, warmup_epochs=2, batch_size=64, min_steps=300)
    steps = schedule_in_steps(schedule, num_images)
    assert (steps.num_steps, steps.warmup_steps) == (num_steps, warmup_steps)


def test_there_is_always_a_step():
    schedule = ClassificationSchedule(epochs=0.01, warmup_epochs=0)
    assert schedule_in_steps(schedule, 1).num_steps == 1
