"""The page's section about fine-tuning on few labelled frames."""

from typing import Any

from _probes.tables import compared, difference, figure, goal, table

from ppkt_zoo.evaluation.statistics import paired_difference

Part = dict[str, Any]

# What issue 2 asks for: this many labelled frames, at least this much better, interval above zero.
_GOAL_BUDGET, _GOAL_GAIN = "5", 0.05


def tabletops_sentence(part: Part) -> str:
    """PPKT against scratch for every budget, and the goal."""
    found = []
    for budget in part["budgets"]:
        ours, control = _miou(part, budget, "ppkt"), _miou(part, budget, "scratch")
        found.append(f"{compared(ours, control)} scratch with {_frames(budget)} ({difference(ours, control)})")
    text = "Fine-tuned on real table tops, mIoU: " + "; ".join(found)
    if _GOAL_BUDGET in part["budgets"]:
        gain = paired_difference(_miou(part, _GOAL_BUDGET, "ppkt"), _miou(part, _GOAL_BUDGET, "scratch"))
        reached = gain.mean >= _GOAL_GAIN and gain.above_zero
        text += f"; the goal of +{_GOAL_GAIN:.2f} with {_frames(_GOAL_BUDGET)}, interval above zero, is {goal(reached)}"
        control = _miou(part, _GOAL_BUDGET, "scratch")
        room = part["ceiling"] - sum(control) / len(control)
        text += f" (above scratch there is room for {room:+.3f}: voxels cap the mIoU at {part['ceiling']:.3f})"
    if _GOAL_BUDGET in part["default_budgets"]:
        ours, control = (_miou(part, _GOAL_BUDGET, who, "default_budgets") for who in ("ppkt", "scratch"))
        text += f"; by the library's defaults, nothing chosen, {compared(ours, control)} scratch with "
        text += f"{_frames(_GOAL_BUDGET)} ({difference(ours, control)})"
    return text + "."


def tabletops_section(part: Part) -> str:
    """Protocol, results, and how the learning rates were chosen."""
    rows, default_rows = (
        [
            [
                _frames(budget),
                *(figure(_miou(part, budget, who, key)) for who in ("ppkt", "scratch")),
                difference(*(_miou(part, budget, who, key) for who in ("ppkt", "scratch"))),
            ]
            for budget in part[key]
        ]
        for key in ("budgets", "default_budgets")
    )
    recipe, choice = part["recipe"], part["choice"]
    candidates = [(trial["norm"], trial["rate"]) for trial in choice["ppkt"]["trials"]]
    trials = []
    for row, (norm, rate) in enumerate(candidates):
        line = [norm, f"{rate:g}"]
        for who in ("ppkt", "scratch"):
            scores = choice[who]["trials"][row]["scores"]
            taken = (norm, rate) == (choice[who]["norm"], choice[who]["rate"])
            line.append(f"{'**' if taken else ''}{sum(scores) / len(scores):.3f}{'**' if taken else ''}")
        trials.append(line)
    draws = len(choice["ppkt"]["trials"][0]["scores"])
    return "\n".join(
        [
            "mosd: the table against all objects on it, every point with depth. "
            f"The last {part['test_frames']} frames by name are the test, the {part['validation_frames']} before them "
            f"the validation; the labelled frames are drawn by seed from the other {part['pool']}, the same ones for "
            "both starts. "
            f"{part['steps']} steps of AdamW, {recipe['clouds_per_step']} frames a step, weight decay "
            f"{recipe['weight_decay']:g}, head at {recipe['head_lr']:g}, 10 % warm-up, then cosine; augmentation "
            f"{_augmentation(part)}; full clouds scored. The frames have no poses: gravity is estimated in each.",
            "",
            table(["labelled frames, mIoU", "PPKT", "scratch", "difference"], rows),
            "",
            f"All points of a voxel get one class. The best answer of that kind has a mIoU of {part['ceiling']:.3f} on "
            "these frames: nothing in the table can be above it.",
            "",
            "The backbone's learning rate and its batch norm (running statistics frozen, or gathered anew) were chosen "
            f"for each start alone: trained on {part['choice_frames']} frames of the pool, scored on the validation, "
            f"mean of {draws} draws; the test was not looked at. From scratch, frozen statistics are those of the "
            "labelled frames. The choice is bold.",
            "",
            table(["batch norm", "learning rate", "PPKT, validation mIoU", "scratch, validation mIoU"], trials),
            "",
            f"With nothing chosen, by the library's defaults (batch norm {part['default']['norm']}, learning rate "
            f"{part['default']['rate']:g}). The defaults were in the code before, found on frames of the pool; that "
            "they be scored was decided after the chosen recipes had been scored on the test:",
            "",
            table(["labelled frames, mIoU", "PPKT", "scratch", "difference"], default_rows),
        ]
    )


def _augmentation(part: Part) -> str:
    return ", ".join(f"{name} {value}" for name, value in part["augmentation"].items())


def _miou(part: Part, budget: str, who: str, key: str = "budgets") -> list[float]:
    return [run["miou"] for run in part[key][budget][who]]


def _frames(budget: str) -> str:
    return "1 frame" if budget == "1" else f"{budget} frames"
