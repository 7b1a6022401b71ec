"""The front matter of a card: what the Hugging Face Hub reads of a weight, its licence, tags and scores.

Written by hand as YAML whose values are JSON, so that a card is the same to the byte whatever library reads it.
"""

import json
import re
from collections.abc import Iterable

from ppkt_zoo.files.text import one_line
from ppkt_zoo.zoo.config import WeightConfig
from ppkt_zoo.zoo.record import ROBUSTNESS, Metric, WeightRecord

_SPDX = re.compile(r"[A-Za-z0-9.+-]+")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_MARKUP = re.compile(r"[<>&\[\]*`|]")

# What the Hub calls a metric and its task, by a word of its name here; the first that fits.
_KINDS = (
    ("mIoU", "mean_iou", "semantic-segmentation"),
    ("mAP", "mean_average_precision", "object-detection"),
    ("top-1", "accuracy", "feature-extraction"),
    ("accuracy", "accuracy", "semantic-segmentation"),
    ("correlation", "pearsonr", "feature-extraction"),
    ("similarity search", "precision", "feature-extraction"),
)
_TASK = "feature-extraction"
_TASKS = {"segmentation": "semantic-segmentation", "detection": "object-detection"}
# What cards of 0.1 did not have.
_NEW = re.compile(r"^(?:pipeline_tag|base_model): .*\n|^model-index:\n(?:[ -].*\n)*", re.MULTILINE)


def front_matter(config: WeightConfig, record: WeightRecord) -> str:
    """The front matter between its two rules: library, licence, tags, what it began with, and the measured scores."""
    licence = one_line(record.licences.weights)
    # The Hub knows SPDX-like names; JSON strings are YAML strings.
    known = _SPDX.fullmatch(licence) is not None
    lines = ["---", "library_name: ppkt-zoo", f"license: {_json(licence.lower() if known else 'other')}"]
    if not known:
        lines.append(f"license_name: {_json(_slug(licence, '.'))}")
    # The Hub has no name yet for a network that names points or finds boxes among them.
    lines += [] if config.head is not None else [f"pipeline_tag: {_json(_TASK)}"]
    if record.base is not None and record.base.repo is not None:
        lines.append(f"base_model: {_json(record.base.repo)}")
    tags = ["point-cloud", "3d", _TASK, _tag(record.method), config.architecture]
    lines += ["tags:", *(f"- {_json(tag)}" for tag in tags)]
    lines += _model_index(config, [one for one in record.metrics if not one.name.startswith(ROBUSTNESS)])
    return "\n".join([*lines, "---"])


def without_new_fields(card: str) -> str:
    """A card with the front matter that 0.1 wrote."""
    opening, head, text = card.split("---\n", 2)
    return f"{opening}---\n{_NEW.sub('', head)}---\n{text}"


def _model_index(config: WeightConfig, metrics: Iterable[Metric]) -> list[str]:
    """Lines of ``model-index``: the scores by task and data, each with its interval, its seeds and its control."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for metric in metrics:
        kind, task = _kind(config, metric)
        data, _, how = metric.data.partition(";")
        grouped.setdefault((task, one_line(data)), []).append(_score(metric, kind, one_line(how)))
    if not grouped:
        return []
    lines = ["model-index:", f"- name: {_json(config.name)}", "  results:"]
    for (task, data), scores in grouped.items():
        lines += [
            f"  - task: {_json({'type': task})}",
            f"    dataset: {_json({'type': _slug(data), 'name': data})}",
            "    metrics:",
            *(f"    - {score}" for score in scores),
        ]
    return lines


def _kind(config: WeightConfig, metric: Metric) -> tuple[str, str]:
    """What the Hub calls a metric, and its task."""
    for word, kind, task in _KINDS:
        if word in metric.name:
            return kind, task
    return _slug(metric.name, "_"), _TASK if config.head is None else _TASKS[config.head.task]


def _score(metric: Metric, kind: str, how: str) -> str:
    told: dict[str, object] = {"seeds": len(metric.seeds), "n": metric.n}
    if metric.interval95 is not None:
        told["interval95"] = [_rounded(one) for one in metric.interval95]
    if metric.control is not None:
        told["control"] = one_line(metric.control.name)
        told["control_value"] = _rounded(metric.control.value)
    name = one_line(metric.name) + (f" ({how})" if how else "")
    return _json({"type": kind, "name": name, "value": _rounded(metric.value), "args": told})


def _rounded(value: float) -> float:
    """Four digits, as in the card's tables."""
    return float(f"{value:.4g}")


def _json(value: object) -> str:
    """A value as JSON, which is YAML: its letters as they are, for YAML knows no pairs of surrogates.

    What would be markup, where someone shows the front matter as Markdown, is written by its number.
    """
    return _STRING.sub(
        lambda text: _MARKUP.sub(lambda mark: f"\\u{ord(mark[0]):04x}", text[0]), json.dumps(value, ensure_ascii=False)
    )


def _slug(text: str, more: str = "") -> str:
    """Text in lower case letters and digits, ``more`` and dashes; underscores where they are ``more``."""
    between = "_" if more == "_" else "-"
    return re.sub(rf"[^a-z0-9{re.escape(more)}]+", between, text.lower()).strip(between) or "other"


def _tag(text: str) -> str:
    """Text as one of the Hub's tags: letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-")[:64] or "other"
