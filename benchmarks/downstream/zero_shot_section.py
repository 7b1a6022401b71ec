"""The page's part on what features know without a label; its figures are zero_shot.py's."""

from collections.abc import Mapping, Sequence
from typing import Any

from _probes.tables import difference, figure, table

NAMED = "downstream_named.png"


def zero_shot_section(results: Mapping[str, Any], pictures: Sequence[str]) -> str:
    """Clusters against classes, and the teacher's classes on a real kitchen."""
    return "\n\n".join(part for part in (_clusters(results), _search(results), _named(results, pictures)) if part)


def _clusters(results: Mapping[str, Any]) -> str:
    lines = []
    for one in results["clusters"]:
        control = next((c for c in results["clusters"] if c["name"] == one["control"]), None)
        cells = []
        for part in results["sets"]:
            cells += [figure(one[part]["miou"]), figure(one[part]["v_measure"])]
        gain = "" if control is None else difference(one["rooms"]["v_measure"], control["rooms"]["v_measure"])
        lines.append([f"`{one['name']}`" if control else one["name"], *cells, gain])
    head = ["features"]
    for part in results["sets"].values():
        head += [f"{part}, mIoU", f"{part}, V"]
    seeds = len(results["seeds"])
    return (
        "## Clusters without a label\n\n"
        "k-means on the features of points, as many clusters as there are classes, none told what they are. mIoU after "
        "the best one-to-one matching of clusters to classes (Hungarian method); V is the V-measure, which asks for "
        f"no matching. {seeds} seeds, each with other scenes and other first centres.\n\n"
        + table([*head, "V over untrained, rooms"], lines)
    )


def _search(results: Mapping[str, Any]) -> str:
    lines = []
    for one in results["clusters"]:
        control = next((c for c in results["clusters"] if c["name"] == one["control"]), None)
        cells = [figure(one[part]["found"]) for part in results["sets"]]
        gain = "" if control is None else difference(one["rooms"]["found"], control["rooms"]["found"])
        lines.append([f"`{one['name']}`" if control else one["name"], *cells, gain])
    return (
        "## Similarity search\n\n"
        "A point is picked in one scene; which part of the ten most similar points of other scenes has its class? Each "
        "class counts as much. On a file of yours: `ppkt-zoo similar`.\n\n"
        + table(["features", *results["sets"].values(), "over untrained, rooms"], lines)
    )


def _named(results: Mapping[str, Any], pictures: Sequence[str]) -> str | None:
    named = results.get("named")
    if not named:
        return None
    lines = [
        [
            f"`{one['name']}`",
            figure(one["miou"]),
            *(figure(one["classes"][name]) for name in results["kitchen_classes"]),
        ]
        for one in named
    ]
    return (
        "## The teacher's classes without a 3D label\n\n"
        "The teacher looks at images of the kitchen; the points of other frames take the class of the cells that "
        "their embeddings lie nearest to (`ppkt_zoo.evaluation.teacher_classes`). Held against what the teacher sees "
        f"in those frames themselves, whose images the student never got: {results['named_how']}\n\n"
        + table(["weight", "mIoU", *results["kitchen_classes"]], lines)
        + (f"\n\n![a kitchen in the teacher's classes]({NAMED})" if NAMED in pictures else "")
    )
