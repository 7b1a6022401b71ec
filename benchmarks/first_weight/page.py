"""The page of results, written from the measured figures alone."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from _probes.tables import compared, figure, table
from page_probes import probe_section, probe_sentence
from page_tabletops import tabletops_section, tabletops_sentence

Part = dict[str, Any]


def write_page(results: dict[str, Any], file: Path) -> None:
    """Write the Markdown page; parts that were not measured are named as missing."""
    parts = results["parts"]
    sections: list[tuple[str, str, Callable[[Part], str], Callable[[Part], str]]] = [
        ("retrieval", "a. The right pixel among thousands", _retrieval_sentence, _retrieval_section),
        ("rooms", "b. Classes of points in unseen rooms", _rooms_sentence, _rooms_section),
        ("kitchen", "c. A real kitchen", _kitchen_sentence, _kitchen_section),
        ("mosd", "c. Real table tops, few labels", tabletops_sentence, tabletops_section),
        ("pictures", "d. Pictures", _no_sentence, _pictures_section),
    ]
    there = [section for section in sections if section[0] in parts]
    missing = [title for part, title, _, _ in sections if part not in parts]
    sentences = [sentence(parts[part]) for part, _, sentence, _ in there]
    lines = [_head(results), "## In short", *(f"- {one}" for one in sentences if one)]
    if missing:
        lines.append(f"- Not measured in this run: {'; '.join(missing)}.")
    for part, title, _, section in there:
        lines += [f"## {title}", section(parts[part])]
    lines += ["## Time", _time(parts)]
    text = "\n\n".join(lines).replace("\n\n- ", "\n- ").replace("## In short\n- ", "## In short\n\n- ")
    file.write_text(text + "\n", encoding="utf-8")


def _head(results: dict[str, Any]) -> str:
    weight, machine = results["weight"], results["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return "\n".join(
        [
            "# The first weight: did it learn?",
            "",
            f"`{weight['name']}`, {weight['parameters'] / 1e6:.1f} M parameters, "
            f"voxels of {weight['voxel_size'] * 100:g} cm, "
            f"sha256 `{weight['sha256']}`, trained on {' and '.join(weight['trained_on'])}. "
            f"Nothing below was measured on frames of its training. Rooms are those of world {results['world']} "
            "([what that is](../rooms.md#versions-of-the-world)).",
            "",
            "```",
            results["command"],
            "```",
            "",
            f"{results['date']}, {machine['processor']}, {machine['cores']} cores, {machine['system']}; {versions}. "
            f"{len(results['seeds'])} seeds; figures are the mean over them with its 95 % interval (Student's t), "
            "differences are paired by seed. Every figure and every verdict comes from the JSON beside this page.",
        ]
    )


def _retrieval_sentence(part: Part) -> str:
    found = []
    for name, students in part["sets"].items():
        ours, control = ([one["top1"] for one in students[who]] for who in ("ppkt", "untrained"))
        times = sum(ours) / len(ours) * part["pairs"]
        found.append(f"{compared(ours, control)} the untrained student on {name} ({times:.0f} times chance)")
    return f"Retrieval among {part['pairs']} pixels, top-1: " + "; ".join(found) + "."


def _retrieval_section(part: Part) -> str:
    rows = []
    for name, students in part["sets"].items():
        for who, title in (("ppkt", "PPKT"), ("untrained", "untrained student, same UPL")):
            rows.append([name, title, *(figure([one[top] for one in students[who]], 4) for top in ("top1", "top5"))])
        rows.append([name, "chance", *(f"{top / part['pairs']:.4f}" for top in (1, 5))])
    return "\n".join(
        [
            f"Each seed draws {part['frames']} frames and {part['pairs']} points of them, the same number in each. "
            "The feature of a point, through the trained point head, must be most similar to its own pixel's among "
            "those of all frames. The untrained student has the trained UPL, random parameters, batch-norm statistics "
            "of these frames, and a random head. Neighbouring pixels share most of a teacher cell, so top-1 is hard.",
            "",
            table(["held-out frames", "student", "top-1", "top-5"], rows),
        ]
    )


def _rooms_sentence(part: Part) -> str:
    return "Linear probe on unseen rooms: " + probe_sentence(part) + "."


def _rooms_section(part: Part) -> str:
    how = (
        "Rooms of two seeds that no recipe uses, with the world's own labels: one to fit the probe, the other to test "
        "it. Each seed draws its own frames, points and random network."
    )
    return probe_section(part, how)


def _kitchen_sentence(part: Part) -> str:
    return "Linear probe on a real kitchen: " + probe_sentence(part, wanted=0.50) + "."


def _kitchen_section(part: Part) -> str:
    how = (
        "The red kitchen of 7-Scenes. The labels are those of the Pascal VOC segmenter (the teacher's network) at each "
        "point's pixel: the largest of its 21 scores; chair, diningtable and tvmonitor count, everything else is "
        "background; no pixel is left out for low confidence. Fitted on the first 70 frames of the walk (000000 to "
        "000690), tested on the last 30 (000700 to 000990). Each seed draws its own points and random network."
    )
    return probe_section(part, how)


def _no_sentence(part: Part) -> str:
    return ""


def _pictures_section(part: Part) -> str:
    lines: Sequence[str] = [
        f"![{name}]({one['file']})\n\n{name.capitalize()}: {one['frames']} frames fused to {one['points']} points."
        for name, one in part.items()
        if isinstance(one, dict)
    ]
    return (
        "The upper row is the cloud's colour, the lower one its features, three principal components as colours.\n\n"
        + ("\n\n".join(lines))
    )


def _time(parts: dict[str, Part]) -> str:
    names = ("seconds", "processor_seconds")
    rows = [[part, *(f"{found[name]:.0f}" for name in names)] for part, found in parts.items()]
    rows.append(["all", *(f"{sum(found[name] for found in parts.values()):.0f}" for name in names)])
    return table(["part", "seconds", "processor seconds"], rows)
