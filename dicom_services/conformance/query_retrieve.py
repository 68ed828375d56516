"""Section 5.2.7: keys and matching, found out by asking the matching code itself."""

from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag

from dicom_services.conformance.document import Section, table
from dicom_services.scp.ports import Level
from dicom_services.scp.query import identifier, sequence_keys
from dicom_services.scp.query.identifier_reader import MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS
from dicom_services.scp.query.matching import AnyOf, Either, Exact, Name, Range, Wildcard, matcher
from dicom_services.scp.retrieval import destinations, progress, retrieve
from dicom_services.sr import uids

_FIND_SCU = """\
Study Root. The node asks the archive for Number of Study Related Instances (0020,1208) before it indexes a quiet study
(`dicom.verify_with`), and which objects the archive holds before it lets it deliver them (`dicom.retrieve_from`)."""

_MOVE_SCU = """\
Study Root, image level, the objects of one series at a time. The node passes a C-MOVE of what it no longer keeps on to
the archive, with the requester's own destination. Pending responses are counted into those of the requester; a C-CANCEL
is passed on."""

_GET_SCU = """\
Study Root, image level. Where the archive turns the C-MOVE down, most often because it does not know the destination,
and for a C-GET of what the node no longer keeps, the node fetches the objects and passes them on."""

_MODELS = """\
Patient Root and Study Root, hierarchical; relational where it is negotiated. A query is answered with what the
catalogue holds, and never with studies of a patient who was not asked for.

Inside each indexed study the series level shows one more series, Modality SR, "{series}", Instance Availability
NEARLINE. Its Structured Report is made when it is retrieved, at study, series or image level. Asked again while model
and index are unchanged, it has the same SOP Instance UID. At image level a report that was retrieved before is
delivered again under its own SOP Instance UID, whatever the index holds now; one that was listed and never made before
the index changed counts as a failed sub-operation, never as another report. Counts and modalities of a study include
the virtual series; a retrieve at patient level delivers stored objects only."""

_ANSWERS = """\
Each answer holds the keys asked for, Query/Retrieve Level (0008,0052), Retrieve AE Title (0008,0054) with the node's
own title, and Instance Availability (0008,0056). A key that is not supported, private keys included, is left out of the
answer and turns the pending status into 0xFF01. The order of answers is not specified.

A peer gets `find_limit` answers at most; a query with more matches ends with 0xA700. C-CANCEL is looked for while
answers are sent, at least every 20 ms, and ends the query with 0xFE00. What the caller itself was acknowledged before
the query is found by it: the node waits up to one second for its catalogue. An identifier of more than {elements}
elements, {depth} levels of sequences or {megabytes} MB is refused with 0xC000, a value of more than {characters}
characters with 0xA900."""

_LEVELS = "At a lower level the keys of the levels above it are supported too."

_MATCHING = """\
- Person names match without regard to case, accents and width of characters, by component group; a key without `=` is
  looked for in every group, one in ASCII in the first. Empty components at the end do not count. This is the node's
  ordinary matching (PS3.4 C.2.2.2.1.2) and not fuzzy semantic matching.
- All other values match with regard to case. Numbers (IS) match by value: `+7` and `007` are 7.
- Dates and times match by the precision of the key: the hour `10` is all of it. Ranges include both ends. With combined
  date and time matching, Study Date and Study Time are one range.
- `*` alone, and an empty value, are universal matching. `""` is empty value matching where it is negotiated.
- Several values of one key are alternatives, of which one must match, in UIDs and in every other VR.
- A sequence takes one item with keys, each for matching and return: {items}. The answer holds the items that match,
  with the attributes asked for. A sequence without item is universal matching and returns all of it.
- Timezone Offset From UTC is accepted and not used."""

_CHARACTERS = """\
A key is read by the Specific Character Set (0008,0005) of the query. An answer beyond ASCII comes in the character set
of the query, or where the query names none in that of the peer's configuration (`character_set`), if that can hold all
of the answer, else in ISO_IR 192. An answer in ASCII names no character set."""

_MOVE_SCP = """\
The destination must be a peer of the configuration, else 0xA801. Objects go out in the transfer syntax in which they
are stored when the destination accepts it, else decompressed in little endian, else they count as failed. The Move
Originator (0000,1030) is the requester, with the Message ID of its request. An association that breaks is opened again;
what was acknowledged is not sent twice, and the one object that was under way is sent once more.

Pending responses come after the first sub-operation and at least every {pending} s. The final response holds the
counts, which always add up, the Failed SOP Instance UID List (0008,0058) and the most common reason in Error Comment
(0000,0902). C-CANCEL ends the retrieve before the next sub-operation; one that is under way gets {cancel} s. One
retrieve delivers {most} objects at most. To one destination {places} retrieves run at a time in one process; others
wait up to {patience} s for their place."""

_GET_SCP = """\
Sub-operations go over the same association, in the contexts for which the requester negotiated the SCP role. Otherwise
as C-MOVE."""


def query_retrieve() -> Section:
    models = _MODELS.format(series=uids.SERIES_DESCRIPTION)
    answers = _ANSWERS.format(
        elements=MAX_ELEMENTS, depth=MAX_DEPTH, megabytes=MAX_BYTES >> 20, characters=identifier.MAX_VALUE_LENGTH
    )
    matching = _MATCHING.format(
        items="; ".join(f"{', '.join(keys)} in {keyword}" for keyword, keys in sequence_keys.ITEM_KEYS.items())
    )
    moves = _MOVE_SCP.format(
        pending=f"{progress.PENDING_SECONDS:g}",
        cancel=f"{progress.CANCEL_SECONDS:g}",
        most=retrieve.MAX_SUBOPERATIONS,
        places=destinations.MOST_MOVES,
        patience=f"{destinations.PATIENCE_SECONDS:g}",
    )
    return Section(
        "Query/Retrieve Service",
        (),
        (
            Section("SCU of the FIND SOP Class", (_FIND_SCU,)),
            Section("SCU of the MOVE SOP Class", (_MOVE_SCU,)),
            Section("SCU of the GET SOP Class", (_GET_SCU,)),
            Section("Information Models of the SCP", (models,)),
            Section("SCP of the FIND SOP Classes", (answers, _LEVELS, _keys(), matching, _CHARACTERS)),
            Section("SCP of the MOVE SOP Classes", (moves,)),
            Section("SCP of the GET SOP Classes", (_GET_SCP,)),
        ),
    )


def matching_types(vr: str) -> list[str]:
    """Return the kinds of matching that a key of the VR takes (PS3.4 C.2.2.2), in the words of the table."""
    if vr == "SQ":
        return ["sequence"]
    one = "1.2.3" if vr == "UI" else "7"
    single, several = matcher(vr, [one]), matcher(vr, [one, one + "8"])
    found = {
        "single value": isinstance(single, Exact | Range | Name),
        "list of UID": vr == "UI" and isinstance(several, AnyOf),
        "wild card": isinstance(matcher(vr, ["A*B"]), Wildcard | Name),
        "range": isinstance(matcher(vr, ["20240101-20240131"]), Range) if vr in ("DA", "TM", "DT") else False,
        "multiple values": vr != "UI" and isinstance(several, AnyOf | Either),
    }
    return [kind for kind, is_supported in found.items() if is_supported]


def _keys() -> str:
    rows = [
        (
            level,
            keyword,
            str(Tag(keyword)),
            dictionary_VR(keyword),
            "unique" if keyword == identifier.UNIQUE[level] else "optional",
            ", ".join([*matching_types(dictionary_VR(keyword)), "universal"]),
        )
        for level in Level
        for keyword in identifier.KEYS[level]
    ]
    return table(("Level", "Attribute", "Tag", "VR", "Key", "Matching"), rows)
