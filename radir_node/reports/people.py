"""People and institutions that are named in a sentence, and sentences that speak of people only. Used by scrub.

These are guesses from the form: "Dr. X", "Y, MD", "Z Hospital". Words of medicine and words that deny are no names,
whatever stands before them ("prior MR. No effusion").
"""

import re
from collections.abc import Iterator

from radir_node.reports.identifiers import Identifier
from radir_node.reports.medical_words import function_words, is_medical_word, without_medicine

_MOST_NAMES = 4
_PARTICLES = frozenset(
    {"van", "von", "de", "der", "den", "del", "della", "di", "da", "la", "le", "el", "al", "bin", "st."}
)
_NAME = r"(?-i:[^\W\d_a-z])[\w'’.-]*"
_WORD = re.compile(r"\s{0,2}([^\W\d_][\w'’.-]*)")

_TITLE = re.compile(
    r"\b(?:(?:drs?|doctors?|prof|professor|mrs)\b\.?"
    r"|(?-i:Mr|Ms|Miss|Mx|MR(?=\.)|MS(?=\.))\b\.?"
    r"|(?:nurse|sister|surgeon|radiologist|physician|attending|resident)"
    r"(?:\s+(?:practitioner|physician|radiologist|surgeon))?\b)(?=\s+[^\W\d_])",
    re.IGNORECASE,
)
"""MR and MS are magnetic resonance and a stenosis, unless all is in large letters and a stop follows."""
_NO_TITLES_AMONG_SMALL = frozenset({"MR.", "MS."})
_NO_TITLES_AMONG_LARGE = frozenset({"SISTER", "SURGEON", "RADIOLOGIST", "PHYSICIAN", "ATTENDING", "RESIDENT"})
_ROLE = re.compile(r"[a-z]{5}", re.IGNORECASE)
_CREDENTIALS = re.compile(
    rf"(?P<names>(?:{_NAME}[,\s]\s*){{1,4}})"
    r"(?:(?-i:M\.D\.|MD|D\.O\.|Ph\.?D|MBBS|MBChB|FRCR|FRCPC|R\.N\.|RN|PA-C)(?!\w)|(?<=,)\s*(?-i:DO|NP)(?=\s*(?:[.,;)]|\Z)))"
)
_INSTITUTION = re.compile(
    rf"(?P<names>(?:{_NAME}(?:\s+(?:of|and|&|for))?\s+){{1,5}})"
    r"(?-i:Hospitals?|Medical\s+Cent(?:er|re)|Clinics?|Infirmary|Health\s+(?:System|Cent(?:er|re))|Healthcare|University|"
    r"Imaging\s+Cent(?:er|re)|Hospice|Nursing\s+Home)\b"
)
_STREET = re.compile(
    rf"\b\d{{1,5}}\s+(?:{_NAME}\s+){{1,3}}(?-i:Street|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive)\b\.?"
)
_TOWARDS_NOBODY = frozenset({"outside", "referring", "local", "another", "other", "our", "this", "the", "general"})

_TOLD = (
    "discussed|communicated|notified|informed|conveyed|relayed|called|reported|telephoned|paged|contacted|reviewed|spoke"
    "|spoken|alerted|texted|emailed|e-mailed|messaged|faxed|d/w|made aware|given to|verbally"
)
_TOLD_TO = (
    "drs?|doctors?|physicians?|nurses?|providers?|team|clinicians?|staff|residents?|surgeons?|phone|telephone|service"
    "|fellow|attending|pager|voice ?mail|family|np|rn|mr|mrs|ms"
)
_SIGNED = "dictated|transcribed|signed|verified|approved|read|reviewed|interpreted|finali[sz]ed|authenticated|reported"
_COMMUNICATION = re.compile(
    rf"\b(?:{_TOLD})\b.{{0,60}}?\b(?:{_TOLD_TO})\b"
    rf"|\b(?:{_SIGNED})\s+(?:and\s+\w+\s+)?by\b"
    r"|\b(?:results?|findings?)\s+(?:were|was|have been|has been)?\s*(?:discussed|called|communicated|conveyed)\b"
    r"|\b(?:electronically|digitally|e-)\s*(?:signed|verified|approved)\b"
    r"|\b(?:read ?back|acknowledged|verbali[sz]ed)\b.{0,40}\b(?:receipt|results?|findings?|understanding|by)\b"
    r"|\bd\s?/\s?w\s+\w",
    re.IGNORECASE | re.DOTALL,
)


def is_communication(sentence: str) -> bool:
    """Tell whether a sentence speaks of people rather than of images ("discussed with Dr ..."), and is never shown."""
    return _COMMUNICATION.search(sentence) is not None


def find_people(sentence: str) -> Iterator[Identifier]:
    """Yield titles with their names, names with degrees, institutions and streets."""
    shouted = sentence.upper() == sentence
    for match in _TITLE.finditer(sentence):
        end = _name_end(sentence, match, shouted)
        if end > match.end() and match[0] not in (_NO_TITLES_AMONG_LARGE if shouted else _NO_TITLES_AMONG_SMALL):
            yield Identifier(match.start(), end, "person")
    yield from _with_names(_CREDENTIALS, "person", sentence)
    if not shouted:  # every word looks like a name
        yield from _with_names(_INSTITUTION, "institution", sentence)
        yield from (Identifier(*match.span(), "address") for match in _STREET.finditer(sentence))


def _name_end(sentence: str, title: re.Match[str], shouted: bool) -> int:
    """Give the end of the name behind a title; the title's own end where none follows.

    A word of medicine is a name only directly behind a title ("Dr. White"), and so is a word in small letters; a role
    ("nurse") is followed by neither. An initial may be all there is ("Dr. X. Effusion").
    """
    end, names = title.end(), 0
    careful = shouted or _ROLE.match(title[0]) is not None
    while names < (1 if shouted else _MOST_NAMES) and (word := _WORD.match(sentence, end)):
        low = word[1].rstrip(".").lower()
        is_particle, is_initial = low in _PARTICLES, len(low) == 1
        doubtful = is_medical_word(low) or not (word[1][0].isupper() or is_particle)
        if low in function_words() or (doubtful and (careful or end > title.end())):
            break
        names += not (is_particle or is_initial)
        ends = word[1].endswith(".") and not (is_particle or is_initial)
        end = word.end() - ends
        if ends:
            break
    return end


def _with_names(pattern: re.Pattern[str], kind: str, sentence: str) -> Iterator[Identifier]:
    """Yield the names of a match; the degree or the kind of house goes along with a name that reaches up to it."""
    for match in pattern.finditer(sentence):
        for name in without_medicine(Identifier(*match.span("names"), kind), sentence):
            if sentence[name.start : name.end].lower() not in _TOWARDS_NOBODY:
                reaches = match.end("names") - name.end <= len(", ")
                yield name._replace(end=match.end()) if reaches else name
