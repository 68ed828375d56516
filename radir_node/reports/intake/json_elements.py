"""JSON objects whose elements are read by type, so that a fault has a place. Called by the readers of FHIR and REST."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from radir_node.errors import UnreadableReport

MAX_ITEMS = 1_000
"""Of one array."""


@dataclass(frozen=True, slots=True)
class Element:
    """An object and its place, e.g. "DiagnosticReport.presentedForm[0]"."""

    path: str
    fields: Mapping[str, object]

    def text(self, name: str) -> str:
        """Return a string without blanks around, "" where it is missing or null. Raise UnreadableReport otherwise."""
        found = self.fields.get(name)
        if found is None:
            return ""
        if not isinstance(found, str):
            raise UnreadableReport(f"{self.path}.{name}: must be a string")
        return found.strip()

    def texts(self, name: str) -> list[str]:
        """Return an array of strings, or a single string as an array. Raise UnreadableReport otherwise."""
        found = self.fields.get(name)
        values = found if isinstance(found, list) else [] if found is None else [found]
        if len(values) > MAX_ITEMS or not all(isinstance(value, str) for value in values):
            raise UnreadableReport(f"{self.path}.{name}: must be at most {MAX_ITEMS:,} strings")
        return [str(value).strip() for value in values]

    def element(self, name: str) -> "Element":
        """Return an object, an empty one where it is missing. Raise UnreadableReport where it is something else."""
        found = self.fields.get(name)
        return self._of(found if found is not None else {}, f"{self.path}.{name}")

    def elements(self, name: str) -> Iterator["Element"]:
        """Yield the objects of an array, or a single object. Raise UnreadableReport where there is something else."""
        found = self.fields.get(name)
        values = found if isinstance(found, list) else [] if found is None else [found]
        if len(values) > MAX_ITEMS:
            raise UnreadableReport(f"{self.path}.{name}: more than {MAX_ITEMS:,} elements")
        for index, value in enumerate(values):
            yield self._of(value, f"{self.path}.{name}[{index}]")

    @staticmethod
    def _of(value: object, path: str) -> "Element":
        if not isinstance(value, dict):
            raise UnreadableReport(f"{path}: must be an object")
        return Element(path, value)


def json_object(raw: bytes | str, name: str) -> Element:
    """Parse a JSON object (RFC 8259) in UTF-8. Raise UnreadableReport where it is none, with the place of the fault."""
    try:
        found = json.loads(raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw)
    except UnicodeDecodeError as error:
        raise UnreadableReport(f"{name}: not in UTF-8") from error
    except json.JSONDecodeError as error:
        raise UnreadableReport(f"{name}: no JSON (line {error.lineno}, column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        raise UnreadableReport(f"{name}: no JSON that is read (nested too deep, or too long a number)") from error
    if not isinstance(found, dict):
        raise UnreadableReport(f"{name}: must be a JSON object")
    return Element(name, found)
