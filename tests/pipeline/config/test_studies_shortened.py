from pipeline.config.experiment import Experiment
from pipeline.config.studies import shortened


def test_a_shorter_training_shrinks_every_length_and_keeps_the_types():
    experiment = Experiment(
        name="e",
        arms=("hssl",),
        schedule={"epochs": 100, "export_every_epochs": 7},
        objective={"patch_start_epoch": 10},
        start={"checkpoint": "c.safetensors"},
    )
    short = shortened(experiment.pretrain_config("hssl", 0), 5)
    assert (short.schedule.epochs, short.schedule.warmup_epochs) == (5, 0.5)
    assert short.objective.teacher_temperature_warmup_epochs == 2.5
    assert short.objective.patch_start_epoch == 0.5
    assert (short.schedule.export_every_epochs, short.start) == (0, None)
    assert type(short).model_validate(short.model_dump()) == short
