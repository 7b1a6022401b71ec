"""RQ4 of the page: whether the gain is larger with fewer labels, and with a larger student."""

from collections.abc import Mapping, Sequence

from _probes.tables import compared, difference, figure, signed, table
from collect import Row, paired, values
from questions import ENOUGH, FIGURE, TENTH, TITLES, Pair, Side

from ppkt_zoo.evaluation.statistics import Interval, paired_difference

_STUDENTS = {"segmentation": "SR-UNet14, slim", "segmentation_18": "SR-UNet18, slim"}
_PLOTS = ("downstream_segmentation.png", "downstream_detection.png")


def labels_section(rows: Sequence[Row], pictures: Sequence[str]) -> str | None:
    """The gain at each part of the labels."""
    lines, verdicts = [], []
    for folder in ("segmentation", "detection"):
        pair = Pair(Side(folder, "ppkt_voc"), Side(folder, "scratch"))
        for fraction in _fractions(rows, folder):
            both, found = pair.both(rows, fraction), pair.difference(rows, fraction)
            if both is not None and found is not None:
                first, second = both
                name = f"{folder}, {fraction:.0%}"
                lines.append([name, TITLES[pair.key], str(found.n), figure(second), figure(first), signed(found)])
        verdicts += [labels_verdict(rows, folder), more_labels(rows, folder)]
    if not lines:
        return None
    text = "## RQ4: label fraction\n\nThe paper gains more where labels are few (15% is its smallest part). "
    text += "Training has the same number of steps and the same rates whatever the labels.\n\n"
    text += table(["task, labels", "figure", "seeds", "scratch", "ppkt_voc", "difference"], lines)
    text += "".join(f"\n\n{verdict}" for verdict in verdicts if verdict is not None)
    return text + "".join(f"\n\n![score over the part of the labels]({name})" for name in pictures if name in _PLOTS)


def labels_verdict(rows: Sequence[Row], folder: str) -> str | None:
    """The gain with the fewest labels less the gain with all, in words; None where too few seeds have both."""
    gains = {fraction: gain for fraction in _fractions(rows, folder) if len(gain := _gain(rows, folder, fraction)) > 1}
    if len(gains) < 2:
        return None
    few, all_of_them = min(gains), max(gains)
    both = paired(gains[few], gains[all_of_them])
    if len(both[0]) < ENOUGH:
        return None
    more = paired_difference(*both)
    means = {fraction: sum(gain.values()) / len(gain) for fraction, gain in gains.items()}
    best = max(means, key=lambda fraction: means[fraction])
    task, title = folder.capitalize(), TITLES[FIGURE[folder]]
    return (
        f"{task}: the gain over scratch with {few:.0%} of the labels {_against(more)} than with {all_of_them:.0%}, "
        f"{title} {signed(more)}; {_paper(more)}. It is largest at {best:.0%}, {means[best]:+.3f}."
    )


def more_labels(rows: Sequence[Row], folder: str) -> str | None:
    """Whether each start scores more with all labels than with a tenth; None where too few seeds have both."""
    told, flat = [], False
    for start in ("scratch", "ppkt_voc"):
        few, many = (values(rows, folder, start, fraction, FIGURE[folder]) for fraction in (TENTH, 1.0))
        both = paired(many, few)
        if len(both[0]) < ENOUGH:
            return None
        told.append(f"`{start}` is {compared(*both)} itself with 10% ({difference(*both)})")
        flat = flat or compared(*both) != "above"
    text = f"{folder.capitalize()}, all labels: {' and '.join(told)} in {TITLES[FIGURE[folder]]}."
    if flat:
        text += " Where more labels do not raise a score, the training is limited by its length, not by its labels: "
        text += "each run sees as many crops, ten times fewer of each room."
    return text


def size_section(rows: Sequence[Row]) -> str | None:
    """Whether the larger student gains more."""
    lines = []
    for folder, name in _STUDENTS.items():
        pair = Pair(Side(folder, "ppkt_voc"), Side(folder, "scratch"))
        both, found = pair.both(rows, TENTH), pair.difference(rows, TENTH)
        if both is None or found is None:
            return None
        ours, theirs = both
        lines.append([name, str(found.n), figure(theirs), figure(ours), signed(found)])
    text = "## RQ4: student size\n\nThe paper's students are SR-UNet18 and SR-UNet34, on S3DIS.\n\n"
    text += table(["student", "seeds", "scratch", "ppkt_voc", "gain in mIoU"], lines)
    verdict = size_verdict(rows)
    return text if verdict is None else f"{text}\n\n{verdict}"


def size_verdict(rows: Sequence[Row]) -> str | None:
    """The larger student's gain less the smaller one's, in words; None where too few seeds have both."""
    small, large = (_gain(rows, folder, TENTH) for folder in _STUDENTS)
    both = paired(large, small)
    if len(both[0]) < ENOUGH:
        return None
    more = paired_difference(*both)
    stands = "gains more" if more.low > 0 else "gains less" if more.high < 0 else "does not gain more or less"
    return f"Segmentation: the larger student {stands}, mIoU {signed(more)} over {more.n} seeds; {_paper(more)}."


def _against(more: Interval) -> str:
    return "is larger" if more.low > 0 else "is smaller" if more.high < 0 else "is not larger or smaller"


def _paper(more: Interval) -> str:
    return "the paper agrees" if more.low > 0 else "the paper has it **larger**"


def _fractions(rows: Sequence[Row], folder: str) -> list[float]:
    return sorted({row["fraction"] for row in rows if row["folder"] == folder})


def _gain(rows: Sequence[Row], folder: str, fraction: float) -> Mapping[int, float]:
    """PPKT less scratch by seed."""
    ours, theirs = (values(rows, folder, start, fraction, FIGURE[folder]) for start in ("ppkt_voc", "scratch"))
    return {seed: ours[seed] - theirs[seed] for seed in sorted(set(ours) & set(theirs))}
