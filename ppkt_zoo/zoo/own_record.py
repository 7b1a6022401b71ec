"""Records of networks that their owners trained in loops of their own: what is known of them, and nothing more."""

import re
from dataclasses import dataclass
from typing import Any

from ppkt_zoo.zoo.folder import WeightFolder
from ppkt_zoo.zoo.record import OWN_LOOP, Base, WeightRecord

NOT_TOLD = "not specified"
#: The licence of a weight whose owner named none; it forbids a public repository.
NO_LICENCE = f"{NOT_TOLD}, so not to be published"

# A limit that says whose it is.
_ATTRIBUTED = re.compile(r"Of [^:]+: ")


@dataclass(frozen=True)
class Told:
    """What the owner of a network says of it; each stands in its record where no ``record`` goes before it.

    Attributes:
        description: one sentence: what it is.
        data: what it learned from.
        data_licence: of the data.
        licence: of the weight; without one the record says that it is not to be published.
    """

    description: str = NOT_TOLD
    data: str = NOT_TOLD
    data_licence: str = NOT_TOLD
    licence: str | None = None

    def data_used(self) -> dict[str, Any]:
        """The record's entry for the data."""
        return {"name": self.data, "frames": None, "licence": self.data_licence, "attribution": NOT_TOLD}


def untold_record(told: Told, description: str, method: str, limits: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a record for a network that began as random numbers, or whose beginning nobody knows.

    Args:
        told: by its owner.
        description: where its owner gave none.
        method: what it was trained for; the record adds that the loop was its owner's.
        limits: what it cannot do, or was never tested on.
    """
    return {
        "description": description if told.description == NOT_TOLD else told.description,
        "method": f"{method}, {OWN_LOOP}",
        "data": (told.data_used(),),
        "limits": limits,
        "licences": {"data": told.data_licence, "weights": told.licence or NO_LICENCE},
        "citation": NOT_TOLD,
    }


def derived_record(told: Told, folder: WeightFolder, base: WeightRecord) -> dict[str, Any]:
    """The fields of a record for a network that was loaded from a weight and changed since.

    What the weight learned from and from whom is still in the network, so teacher and data are taken along, and so are
    the limits and the licence, as those of the weight that it began with. Recipe, seed, cost and scores are the
    weight's alone: the record names the weight in their place.

    Args:
        told: by its owner.
        folder, base: of the weight that it was loaded from.
    """
    name = folder.config.name
    inherited = inherited_fields(folder, base, told.data_used(), told.data_licence, told.licence or NO_LICENCE)
    return {
        **inherited,
        "description": f"{name}, changed by its owner." if told.description == NOT_TOLD else told.description,
        "method": f"{base.method}, then {OWN_LOOP}",
        "deviations": base.deviations,
        "limits": (
            f"Its parameters are no longer those of {name}: how they were changed is {NOT_TOLD}, and nothing was "
            "measured since.",
            *inherited["limits"],
        ),
        "citation": base.citation,
    }


def inherited_fields(
    folder: WeightFolder, base: WeightRecord, data: Any, data_licence: str, licence: str
) -> dict[str, Any]:
    """What stays true of a network that began with a weight: its limits, its teacher and data, whose licences bind too.

    Args:
        folder, base: of that weight.
        data: the record's entry for what it learned from since.
        data_licence: of that data.
        licence: that its owner wants for it.
    """
    name = folder.config.name
    hub = {} if folder.hub is None else {"repo": folder.hub.repo, "revision": folder.hub.revision}
    if licence.casefold() != base.licences.weights.casefold():
        licence = f"{licence}; it began with {name}, which is under {base.licences.weights}"
    return {
        "teacher": base.teacher,
        "further_teachers": base.further_teachers,
        "data": base.data if data in base.data else (*base.data, data),
        "limits": tuple(limit if _ATTRIBUTED.match(limit) else f"Of {name}: {limit}" for limit in base.limits),
        "base": Base(weight=name, sha256=folder.config.files["model.safetensors"].sha256, **hub),
        "licences": {"data": _each_once(base.licences.data, data_licence), "weights": licence},
    }


def _each_once(*licences: str) -> str:
    """Licences as one line; what is in it already does not come again."""
    return "; ".join(dict.fromkeys(one for some in licences for one in some.split("; ")))
