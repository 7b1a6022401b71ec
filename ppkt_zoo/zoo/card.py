"""The model card: README.md of a weight folder, written from its config and record, never by hand."""

import re

from ppkt_zoo.files.text import inline, one_line, printable
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.readout_spec import Purpose, ReadoutSpec
from ppkt_zoo.zoo.card_metadata import front_matter, without_new_fields
from ppkt_zoo.zoo.config import PROJECTION, RECIPE, WeightConfig
from ppkt_zoo.zoo.record import ROBUSTNESS, Estimate, Metric, WeightRecord

# What cards of 0.1 said in other words: (today, then).
_SINCE_0_1 = (
    ("\n\n## Training data\n\n", "\n\n## Data\n\n"),
    ("\n\n## Results\n\n", "\n\n## Measured\n\n"),
    ("\n\nNot evaluated yet.\n\n", "\n\nNothing was measured yet.\n\n"),
    ("\n\n| metric | data | value (95 % interval) | ", "\n\n| what | on | value (95 % interval) | "),
    ("\n\n## Differences from the published method\n\n", "\n\n## Deviations from the method as published\n\n"),
    ("\n\n## Limitations\n\n", "\n\n## Limits\n\n"),
    ("![reference cloud: colours above, features below](", "![the golden cloud: colour above, features below]("),
    ("\n\nIf the manifest lists it, its name is enough: `", "\n\nWhere the manifest lists it, its name does: `"),
    (
        "verifies checksums and reference output on your machine.\n\n## Input",
        "with the same name proves that it still gives its recorded features on your machine.\n\n## Input",
    ),
    ("`: projections used in pretraining, `load_proj", "`: the projections of the transfer, `load_proj"),
)

_PURPOSES: dict[Purpose, str] = {
    "many_classes": "many classes, such as semantic segmentation of rooms",
    "few_labels": "few labels, such as a table and the objects on it",
    "similarity": "similarity search",
}


def write_card(
    config: WeightConfig,
    record: WeightRecord,
    repo: str | None = None,
    picture: str | None = None,
    classes: tuple[str, ...] | None = None,
) -> str:
    """The card as Markdown, with the Hub's front matter.

    Args:
        config, record: of the weight.
        repo: owner/name on the Hub, where it is published.
        picture: a file beside the card that it shows.
        classes: of the head of a fine-tuned weight; without them its head is left out.
    """
    sections = [
        front_matter(config, record),
        f"# {config.name}\n\n{inline(record.description)}",
        "" if picture is None else f"![reference cloud: colours above, features below]({picture})",
        f"## Load\n\n{_load(config, repo)}",
        f"## Input\n\n{_input(config.input_spec)}",
        f"## Features\n\n{_features(config, record)}",
        ""
        if config.readout is None or not config.readout.recommended
        else f"## Which read-out\n\n{_readout(config.readout)}",
        f"## How it was made\n\n{_origin(config, record, classes)}",
        f"## Training data\n\n{_data(record)}",
        f"## Results\n\n{_metrics(tuple(one for one in record.metrics if not one.name.startswith(ROBUSTNESS)))}",
        _robustness(tuple(one for one in record.metrics if one.name.startswith(ROBUSTNESS))),
        _bullets("## Differences from the published method", record.deviations),
        _bullets("## Limitations", record.limits),
        f"## Licence\n\nWeights: {inline(record.licences.weights)}. Data: {inline(record.licences.data)}.",
        f"## Citation\n\n{_block(record.citation)}",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def in_words_of_0_1(card: str) -> str:
    """A card as 0.1 would have written it: folders of that version keep theirs."""
    card = without_new_fields(card)
    for today, then in _SINCE_0_1:
        card = card.replace(today, then, 1)
    return card


def _load(config: WeightConfig, repo: str | None) -> str:
    where = "local-dir:path/to/this/folder" if repo is None else f"hf-hub:{repo}@<40-hex commit>"
    hub = "from the Hugging Face Hub `hf-hub:owner/repo@<40-hex commit>`"
    other = hub if repo is None else "a commit of this repository stands in place of the angle brackets"
    return (
        "```python\n"
        "import ppkt_zoo\n"
        f'backbone = ppkt_zoo.load_backbone("{where}")\n'
        "features = backbone.encode(xyz, rgb)  # float32 (N, C), row i belongs to point i\n"
        "```\n\n"
        f'If the manifest lists it, its name is enough: `load_backbone("{config.name}")`; {other}. '
        "`ppkt_zoo.verify(…)` verifies checksums and reference output on your machine."
    )


def _input(spec: InputSpec) -> str:
    lines = [
        f"- `xyz`: metres, {spec.up_axis} up; voxels of {spec.voxel_size * 100:g} cm",
        f"- channels in this order: {', '.join(spec.channels)}",
    ]
    if spec.wants_color:
        low, high = spec.color_range
        lines.append(f"- `rgb`: uint8, or floats in [0, 1]; scaled to [{low:g}, {high:g}] inside")
        missing = "is an error" if spec.missing_color == "error" else "is taken as grey"
        lines.append(f"- a cloud without colour {missing}")
    lines.append(f"- preprocessing version {spec.preprocessing}")
    return "\n".join(lines)


def _features(config: WeightConfig, record: WeightRecord) -> str:
    rows = "\n".join(f"| {inline(level)} | {channels} |" for level, channels in config.levels.items())
    stored = "half" if config.dtype == "float16" else "single"
    return (
        f"{record.parameters:,} parameters, stored in {stored} precision. Levels, coarse to fine "
        f'(`levels="all"`):\n\n| level | channels |\n| --- | --- |\n{rows}'
    )


def _readout(spec: ReadoutSpec) -> str:
    rows = "\n".join(
        f'| {_PURPOSES[purpose]} | {readout} | `encode(xyz, rgb, readout="{purpose}")` |'
        for purpose, readout in spec.recommended.items()
    )
    return (
        f"| for | read-out | in Python |\n| --- | --- | --- |\n{rows}\n\n"
        "Commands take `--read-out PURPOSE`. Without it, `encode` gives the last level of each point's voxel. Mean and "
        f"spread of the channels, by which levels are put on one scale, were computed on {inline(spec.computed_on)}."
    )


def _origin(config: WeightConfig, record: WeightRecord, classes: tuple[str, ...] | None) -> str:
    lines = [
        f"- method: {inline(record.method)}",
        f"- architecture: `{config.architecture}`, {_code(config.arguments)}",
    ]
    for teacher in record.teachers:
        digest = f", sha256 `{teacher.sha256}`" if teacher.sha256 else ""
        lines.append(
            f"- teacher: {inline(teacher.name)}, features of {inline(teacher.stage)}; from {inline(teacher.origin)} "
            f"({inline(teacher.licence)}){digest}"
        )
    if record.recipe is not None:
        here = f", a copy is `{RECIPE}` here" if RECIPE in config.files else ""
        lines.append(f"- recipe: {_code(record.recipe.file)}, sha256 `{record.recipe.sha256}`{here}")
    if record.conversion is not None:
        source = record.conversion
        lines.append(f"- converted from {inline(source.origin)} ({inline(source.dialect)}), sha256 `{source.sha256}`")
    if record.base is not None:
        base = record.base
        where = "" if base.repo is None else f" of `hf-hub:{base.repo}@{base.revision}`"
        lines.append(f"- began with: `{base.weight}`{where}, sha256 `{base.sha256}`, and was changed since")
    if record.seed is not None:
        lines.append(f"- seed: {record.seed}")
    if record.trained is not None:
        cost = record.trained
        versions = ", ".join(f"{inline(name)} {inline(version)}" for name, version in sorted(cost.versions.items()))
        lines.append(
            f"- training: {cost.steps} steps in {cost.hours:.1f} h on {inline(cost.machine)}"
            f"{f' ({versions})' if versions else ''}"
            f"{f', over {len(cost.earlier) + 1} sittings' if cost.earlier else ''}"
        )
        lines += [
            f"- began with: `{one.weight}`, sha256 `{one.sha256}`, of {one.steps} steps in {one.hours:.1f} h on "
            f"{inline(one.machine)}"
            for one in cost.earlier
        ]
    if config.head is not None and classes is not None:
        lines.append(f"- `{config.head.tensors}`, `{config.head.config}`: {config.head.card}{_classes(classes)}")
    if PROJECTION in config.files:
        lines.append(f"- `{PROJECTION}`: projections used in pretraining, `load_projection(…)` gives them")
    lines.append(f"- created: {record.created.isoformat()}")
    return "\n".join(lines)


def _classes(classes: tuple[str, ...]) -> str:
    if not classes:
        return ""
    return f"; {len(classes)} {'class' if len(classes) == 1 else 'classes'}: {', '.join(map(inline, classes))}"


def _data(record: WeightRecord) -> str:
    head = "| data | frames | licence | attribution |\n| --- | --- | --- | --- |\n"
    return head + "\n".join(
        f"| {inline(one.name)} | {'not known' if one.frames is None else one.frames} | {inline(one.licence)} "
        f"| {inline(one.attribution)} |"
        for one in record.data
    )


def _metrics(metrics: tuple[Metric, ...]) -> str:
    if not metrics:
        return "Not evaluated yet."
    head = "| metric | data | value (95 % interval) | control | seeds | n |\n| --- | --- | --- | --- | --- | --- |\n"
    rows = []
    for metric in metrics:
        control = f"{inline(metric.control.name)}: {_estimate(metric.control)}" if metric.control else "–"
        rows.append(
            f"| {inline(metric.name)} | {inline(metric.data)} | {_estimate(metric)} | {control} "
            f"| {len(metric.seeds)} | {metric.n} |"
        )
    return head + "\n".join(rows)


def _robustness(metrics: tuple[Metric, ...]) -> str:
    """Scores on changed clouds, the change's name in front; the control is the clean cloud."""
    if not metrics:
        return ""
    lines = [
        "## Robustness",
        "",
        "Scores on changed clouds, and the share of the score on clean ones that is left.",
        "",
    ]
    lines += ["| change | value (95 % interval) | of the clean score | data |", "| --- | --- | ---: | --- |"]
    for metric in metrics:
        share = "–" if metric.control is None else f"{metric.value / max(metric.control.value, 1e-12):.0%}"
        change = inline(metric.name.removeprefix(ROBUSTNESS))
        lines.append(f"| {change} | {_estimate(metric)} | {share} | {inline(metric.data)} |")
    return "\n".join(lines)


def _estimate(estimate: Estimate) -> str:
    if estimate.interval95 is None:
        return f"{estimate.value:.4g}"
    low, high = estimate.interval95
    return f"{estimate.value:.4g} ({low:.4g} to {high:.4g})"


def _bullets(title: str, texts: tuple[str, ...]) -> str:
    return f"{title}\n\n" + "\n".join(f"- {inline(text)}" for text in texts) if texts else ""


def _code(text: object) -> str:
    """Text in one line as code; nothing in it ends the code."""
    line = one_line(text, 2000)
    if "`" not in line:
        return f"`{line}`"
    fence = "`" * (1 + max(map(len, re.findall("`+", line))))
    return f"{fence} {line} {fence}"


def _block(text: str) -> str:
    """Text of several lines as code; nothing in it ends the code."""
    return f"```\n{printable(text).replace('```', '')}\n```"
