"""Whether a weight's record lets it stand where everybody can take it."""

import re
import unicodedata

from ppkt_zoo.zoo.record import WeightRecord

__all__ = ["what_forbids_publication"]

# What it means to let others have something: as something that is done, and as a thing.
_DONE = (
    r"(?:(?:re)?publish(?:ed|able)?|(?:re)?distribut(?:ed?|able)|shar(?:ed?|able)|releas(?:ed?|able)|upload(?:ed)?|"
    r"circulated?|disclosed?|pass(?:ed)? (?:it )?(?:on|to)|hand(?:ed)? (?:on|out|over|to)|giv(?:e|en) (?:away|to)|"
    r"(?:made|make (?:it )?) ?(?:\w+ )?(?:available|public)|le(?:ave|aves|ft) (?:this|the|our)|public(?:ly)?)"
)
_THING = (
    r"(?:(?:re)?publication|(?:re)?publishing|(?:re)?distribut(?:ion(?! shift)|ing)|sharing|"
    r"(?:public )?releas(?:e|ing)|upload(?:ing)?|disclosure)"
)
# Words that may stand between "not" and what is not to be done.
_BETWEEN = (
    r"(?:to|be|been|being|for|or|nor|and|ever|any|the|it|this|of|in|a|copied|used|modified|shared|sold|distributed|"
    r"published|publicly|openly|freely|further|public|allowed|permitted|licensed|cleared|approved|authori[sz]ed|"
    r"intended|suitable|meant|permission|right|rights|derivatives?|part|may|made)"
)
_ORDER = r"(?:(?:do|must|may|can|could|shall|should) ?(?:not|never)|don'?t|mustn'?t|can'?t|shan'?t|not to)"
_FORBIDDEN_WORD = r"(?:(?:not|never) (?:be )?(?:permitted|allowed|granted)|prohibited|forbidden|disallowed)"
_ALONE = r"\b(?:local(?:ly)?|internal(?:ly)?|private(?:ly)?|personal|evaluation|test(?:ing|s)?)\b"

# What forbids wherever it stands in a record.
_FORBIDDEN = (
    rf"\b{_ORDER} (?:{_BETWEEN},? ){{0,6}}{_DONE}\b",
    rf"\b(?:not for|no) (?:{_BETWEEN} ){{0,4}}{_THING}\b",
    rf"\b{_THING}(?: \w+){{0,8}} {_FORBIDDEN_WORD}\b",
    rf"\b{_FORBIDDEN_WORD}(?: \w+){{0,3}} {_DONE}\b",
)
# And what forbids as a licence, or as its whole text.
_LICENCES = (
    rf"\b(?:not|never|no|without|cannot) (?:{_BETWEEN},? ){{0,6}}(?:{_DONE}|{_THING})\b",
    r"\b(?:non|un) ?(?:publish|(?:re)?distribut|shar|releas)\w*",
    rf"{_ALONE}[\w ,]*\b(?:only|alone)\b",
    rf"\b(?:only|alone)(?: for| to be used)? {_ALONE}",
    r"\bfor (?:local|internal|private|personal) (?:use|purposes|evaluation)\b",
    r"\b(?:keep|kept|stays?|remains?)\b[\w ]*\b(?:local|private|internal|secret|machine)\b",
    r"\ball rights reserved\b",
    r"\b(?:proprietary|confidential|secret|nda|non ?disclosure)\b",
    r"^\W*(?:strictly )?(?:internal|private|local|unlicen[sc]ed|no licen[sc]e|personal)(?: use)?\W*$",
)


def what_forbids_publication(record: WeightRecord) -> str | None:
    """The field and the words of a record that forbid a public repository; None where none do.

    The licence of the weight, of its data and of its teacher are read, and everything else that a record says of them.
    Words such as "not to be published", "no redistribution", "redistribution is prohibited", "local only", "for
    evaluation alone" or "all rights reserved" forbid; terms that allow publication under conditions, such as CC BY-NC,
    do not. It is a guard against mistakes and no judge: words in other languages are not understood.
    """
    licences = {
        "licences.weights": record.licences.weights,
        "licences.data": record.licences.data,
        **{f"data[{number}].licence": one.licence for number, one in enumerate(record.data)},
    }
    others = {"description": record.description, "method": record.method, "citation": record.citation}
    others |= {f"data[{number}].name": one.name for number, one in enumerate(record.data)}
    others |= {f"data[{number}].attribution": one.attribution for number, one in enumerate(record.data)}
    if record.teacher is not None:
        licences["teacher.licence"] = record.teacher.licence
        others["teacher.origin"] = record.teacher.origin
    if record.conversion is not None:
        others["conversion.origin"] = record.conversion.origin
    others |= {f"limits[{number}]": text for number, text in enumerate(record.limits)}
    others |= {f"deviations[{number}]": text for number, text in enumerate(record.deviations)}
    for rules, texts in ((_FORBIDDEN + _LICENCES, licences), (_FORBIDDEN, others)):
        for field, text in texts.items():
            plain = _plain(text)
            if any(re.search(rule, plain) for rule in rules):
                return f"{field} says {text!r}"
    return None


def _plain(text: str) -> str:
    """Lower case, in one line, without marks that only the eye sees or does not see."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("can't", "cannot")
    text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    return re.sub(r"[\s*_`~\-‐-―/]+", " ", text).strip()
