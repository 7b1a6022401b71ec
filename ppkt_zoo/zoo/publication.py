"""Whether a weight's record lets it stand where everybody can take it."""

import re

from ppkt_zoo.zoo.record import WeightRecord

__all__ = ["what_forbids_publication"]

_VERBS = r"publish|redistribut|distribut|shar|releas"
# What forbids wherever it stands in a record, and what forbids as a licence.
_FORBIDDEN = (
    rf"\bnot\s+(?:to\s+)?be\s+(?:{_VERBS})e?d\b",
    r"\b(?:not\s+for|no)\s+(?:publication|redistribution|distribution|public\s+release)\b",
    rf"\b(?:do|must|may|can|shall)\s*not\s+(?:be\s+)?(?:{_VERBS})e?d?\b",
    r"\bnot\s+for\s+release\b",
)
_LICENCES = (
    r"\b(?:local|internal|private|personal|evaluation|test(?:ing|s)?)\b[\w\s,]*\b(?:only|alone)\b",
    r"\b(?:only|alone)\s+for\s+(?:local|internal|private|personal|evaluation|test(?:ing|s)?)\b",
    r"\ball\s+rights\s+reserved\b",
    r"\bproprietary\b",
    r"\bconfidential\b",
)


def what_forbids_publication(record: WeightRecord) -> str | None:
    """The field and the words of a record that forbid a public repository; None where none do.

    The licence of the weight, of its data and of its teacher are read, and its limits. Words such as "not to be
    published", "no redistribution", "local only", "for evaluation alone" or "all rights reserved" forbid; terms that
    allow publication under conditions, such as CC BY-NC, do not.
    """
    licences = {
        "licences.weights": record.licences.weights,
        "licences.data": record.licences.data,
        **{f"data[{number}].licence": one.licence for number, one in enumerate(record.data)},
    }
    if record.teacher is not None:
        licences["teacher.licence"] = record.teacher.licence
    limits = {f"limits[{number}]": text for number, text in enumerate(record.limits)}
    for rules, texts in ((_FORBIDDEN + _LICENCES, licences), (_FORBIDDEN, limits)):
        for field, text in texts.items():
            for rule in rules:
                if re.search(rule, text, re.IGNORECASE):
                    return f"{field} says {text!r}"
    return None
