"""The documented JSON of an answer, for the local operator: `radir search --json`."""

import dataclasses
from typing import Any

from radir_node.domain.match import SimilarCases


def as_document(answer: SimilarCases) -> dict[str, Any]:
    """Return the documented JSON of `radir search --json`."""
    return {
        "anatomy": answer.anatomy_used,
        "anatomy_label": answer.anatomy_label,
        "mapped_from": answer.mapped_from,
        "modality": answer.modality,
        "model": answer.model_id,
        "snapshot": answer.snapshot_id,
        "reference_size": answer.reference_size,
        "eligible": answer.eligible,
        "matches": [dataclasses.asdict(match) for match in answer.matches],
    }
