"""What whoever writes a weight folder may leave out, filled in and checked."""

import datetime
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ppkt_zoo.errors import ManifestError
from ppkt_zoo.files.validation import parse_mapping
from ppkt_zoo.zoo.config import CARD, CONFIG, FILES, RECIPE, RECORD
from ppkt_zoo.zoo.record import WeightRecord

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone


def extra_bytes(extra: Mapping[str, str | bytes]) -> dict[str, bytes]:
    """Files that go along, as bytes.

    Raises:
        ManifestError: a name that is none of a plain file, or that of one of ours.
    """
    own = {*FILES, CONFIG, CARD} - {RECIPE}
    for name in extra:
        if name in own or name.startswith(".") or any(mark in name for mark in "/\\:\0"):
            raise ManifestError(f"extra file {name!r}: give a plain file name that is none of {', '.join(sorted(own))}")
    return {name: data.encode() if isinstance(data, str) else bytes(data) for name, data in extra.items()}


def complete_record(
    record: WeightRecord | Mapping[str, Any], backbone: "Backbone", recipe: bytes | None
) -> WeightRecord:
    """A record with what can be told without its owner: parameters, today, and the recipe's sha256.

    Raises:
        ManifestError: it breaks the rules, or is of another network or recipe.
    """
    count = sum(parameter.numel() for parameter in backbone.parameters())
    digest = None if recipe is None else hashlib.sha256(recipe).hexdigest()
    if isinstance(record, Mapping):
        defaults: dict[str, Any] = {"parameters": count, "created": datetime.date.today()}
        if digest is not None:
            defaults["recipe"] = {"file": RECIPE, "sha256": digest}
        record = {**defaults, **record}
    checked = parse_mapping(WeightRecord, record, RECORD, ManifestError)
    if checked.parameters != count:
        raise ManifestError(f"{RECORD}: field parameters says {checked.parameters}, the backbone has {count}")
    if digest is not None and (checked.recipe is None or checked.recipe.sha256 != digest):
        raise ManifestError(
            f"{RECORD}: field recipe.sha256 is not that of {RECIPE}: leave recipe out to have it filled"
        )
    return checked
