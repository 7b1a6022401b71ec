"""The page's sections about probes of frozen features."""

from typing import Any

from _probes.probing import ALL, KNN, LAST, RAW, RESTORED
from _probes.tables import compared, difference, figure, goal, table

Part = dict[str, Any]


def probe_sentence(part: Part, wanted: float | None = None) -> str:
    """PPKT against the random network and against no network, and the goal where there is one."""
    students = part["students"]
    ours, control, raw = _miou(students["ppkt"], LAST), _miou(students["untrained"], LAST), _miou(students["raw"], RAW)
    text = (
        f"mIoU {figure(ours)}, {compared(ours, control)} random initialisation ({figure(control)}) and "
        f"{compared(ours, raw)} raw colour and position ({figure(raw)})"
    )
    if wanted is not None:
        text += f"; the goal of {wanted:.2f} is {goal(sum(ours) / len(ours) >= wanted)}"
    return text


def probe_section(part: Part, how: str) -> str:
    """Protocol, table of all lines, table of classes."""
    students = part["students"]
    rows = []
    for line in (LAST, LAST + RESTORED, ALL, ALL + RESTORED, KNN):
        ours, control = _miou(students["ppkt"], line), _miou(students["untrained"], line)
        rows.append(
            [line + (" (headline)" if line == LAST else ""), figure(ours), figure(control), difference(ours, control)]
        )
    for ending in ("", RESTORED):
        raw = _miou(students["raw"], RAW + ending)
        rows.append([RAW + ending, "", figure(raw), difference(_miou(students["ppkt"], LAST + ending), raw)])
    head = ["probe, mIoU", "PPKT", "control: random initialisation, or raw", "difference"]
    slow = sum(not one["converged"] for runs in students.values() for seed in runs for one in seed.values())
    return "\n".join(
        [
            how,
            "",
            "The linear probe is a multinomial logistic regression on standardised features (L2 1e-3 on the mean loss, "
            f"balanced class weights), fitted on {part['fit_frames']} frames with at most {part['per_frame']} points "
            f"of each class in a frame and {part['per_class']} in all, tested on every labelled point of "
            f"{part['test_frames']} frames. kNN: cosine, k = 20, the same points as its bank, 500 points of each test "
            "frame. The headline is the last level alone, fixed "
            "before any trained weight was measured. The random network has batch-norm statistics of 8 frames, "
            "gathered without labels, which makes it a stronger control. Fitted on balanced classes, a probe names "
            "rare classes too often; with class frequencies restored, the log of each class's share in the frames it "
            "was fitted on is added to its score." + (f" {slow} fits stopped at 300 iterations." if slow else ""),
            "",
            table(head, rows),
            "",
            "IoU of each class, headline probe:",
            "",
            table(["class", "PPKT", "random initialisation", "raw"], _classes(part)),
        ]
    )


def _classes(part: Part) -> list[list[str]]:
    students = part["students"]
    columns = [("ppkt", LAST), ("untrained", LAST), ("raw", RAW)]
    rows = []
    for name in part["classes"]:
        values = [[seed[line]["iou"][name] for seed in students[who]] for who, line in columns]
        if any(value is None for column in values for value in column):
            rows.append([name, *["absent"] * len(columns)])
        else:
            rows.append([name, *(figure(column) for column in values)])
    return rows


def _miou(runs: list[Part], line: str) -> list[float]:
    return [seed[line]["miou"] for seed in runs]
