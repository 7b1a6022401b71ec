"""Numbers of a dry run that nobody made."""

from pathlib import Path

from ppkt_zoo.pretraining.cost import Disk, DryRun, OnceWork, StepCost

STEP = StepCost(4, 1000, 500, 64, 0, prepare=0.5, teacher=0.3, student=1.0, memory=10**9, skipped=())
RUN = DryRun(
    weight="net.tag",
    method="ppkt",
    steps=1000,
    accumulate=1,
    wanted_pixel_pairs=64,
    wanted_view_pairs=0,
    device="cpu",
    processes=1,
    workers=1,
    cores=4,
    threads=1,
    student_parameters=10,
    head_parameters=10,
    teacher_parameters=10,
    teacher_online=False,
    sources=(),
    step=STEP,
    rendering=None,
    first_look=OnceWork(100, 40, 600.0, 10**9),
    checkpoint_bytes=10**8,
    weight_bytes=10**7,
    disks=(Disk(Path("here"), 10**12, 10**9),),
)
