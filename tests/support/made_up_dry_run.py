"""Numbers of a dry run that nobody made."""

from pathlib import Path

from ppkt_zoo.pretraining.cost import Disk, DryRun, OnceWork, StepCost
from ppkt_zoo.pretraining.recipe import Recipe
from tests.pretraining.tiny_recipe import tiny_recipe

STEP = StepCost(4, 1000, 500, 64, 0, prepare=0.5, teacher=0.3, student=1.0, memory=10**9, skipped=())
RUN = DryRun(
    recipe=Recipe.model_validate(tiny_recipe(steps=1000)),
    device="cpu",
    processes=1,
    workers=1,
    cores=4,
    threads=1,
    student_parameters=10,
    head_parameters=10,
    teacher_parameters=10,
    sources=(),
    step=STEP,
    rendering=None,
    first_look=OnceWork(100, 40, 600.0, 10**9),
    checkpoint_bytes=10**8,
    weight_bytes=10**7,
    disks=(Disk(Path("here"), 10**12, 10**9),),
)
