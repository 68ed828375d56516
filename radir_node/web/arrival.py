"""From a study's identifiers to its opaque page. The launch routes, the start page's search and the login end here."""

import re
from collections.abc import Iterable

from fastapi.responses import RedirectResponse
from starlette.datastructures import QueryParams

from radir_node.errors import UnknownStudy
from radir_node.web.login_state import Target
from radir_node.web.ports import StudyCard
from radir_node.web.site import Site

STUDY_NAMES = frozenset({"studyuid", "studyinstanceuid", "study"})
ACCESSION_NAMES = frozenset({"accessionnumber", "accession"})
MOST_STUDIES = 20

UID = re.compile(r"[0-9.]{1,64}")  # PS3.5 9.1


def launch_target(parameters: QueryParams) -> Target:
    """Read the identifiers of a launch URL, whatever the viewer calls them; unknown parameters are ignored.

    Names compare without case; duplicates and comma lists are tolerated, in the order given.
    """
    study_uids = [
        uid for value in _values(parameters, STUDY_NAMES) for uid in value.split(",") if UID.fullmatch(uid.strip())
    ]
    accessions = [value.strip() for value in _values(parameters, ACCESSION_NAMES) if value.strip()]
    distinct = tuple(dict.fromkeys(uid.strip() for uid in study_uids))
    return Target(study_uids=distinct[:MOST_STUDIES], accession=accessions[0][:64] if accessions else "")


def find(site: Site, target: Target) -> StudyCard:
    """Find the first of the named studies that the node knows. Raises UnknownStudy."""
    for study_uid in target.study_uids:
        card = site.use_cases.lookup(study_uid=study_uid)
        if card is not None:
            return card
    card = site.use_cases.lookup(accession=target.accession) if target.accession else None
    if card is None:
        raise UnknownStudy("This node has not received that study. Send it from the PACS, then try again.")
    return card


def arrive(site: Site, target: Target) -> RedirectResponse:
    """Redirect to the study's page; 303, so that the identifiers leave address bar, history and Referer."""
    return RedirectResponse(f"/s/{site.tokens.seal(find(site, target).case_id)}", 303)


def _values(parameters: QueryParams, names: frozenset[str]) -> Iterable[str]:
    return (value for name, value in parameters.multi_items() if name.casefold() in names)
