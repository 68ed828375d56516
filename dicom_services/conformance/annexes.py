"""Annexes A.A, A.B, A.D and A.E: the one object that the node makes."""

from pydicom.uid import UID

from dicom_services.conformance.document import NOT_SUPPORTED, Section, code, table
from dicom_services.sr import codes, uids

_IOD = """\
{name}, {uid}, Modality SR, Series Number {number}, Series Description "{series}", one instance for each state of model
and index. Patient and General Study modules are copied from the query images. Completion Flag COMPLETE, Verification
Flag UNVERIFIED, Preliminary Flag PRELIMINARY. The query images alone are in Current Requested Procedure Evidence
Sequence. Instance UIDs: under 2.25, a hash of study, question, filters, model and index snapshot; the series UID is a
hash of the study."""

_CONTENT = """\
Root: TID 2000, document title {title}. The observer is a device whose UID changes with the model. Findings and
conclusion name the anatomy that was compared, the cases found with their similarity score, what their reports say, the
model and the index snapshot. Other patients appear by case pseudonym, sex, decade of age and year of study: never by a
UID, a name, a date or a number of theirs."""

_SCHEME = """\
Coding schemes used: DCM, LN, SCT, UCUM, RFC 5646, and the private scheme {scheme} ("{name}", version {version}), which
every report that uses it identifies in Coding Scheme Identification Sequence:"""


def information_objects() -> Section:
    text = _IOD.format(
        name=UID(uids.SOP_CLASS_UID).name,
        uid=code(uids.SOP_CLASS_UID),
        number=uids.SERIES_NUMBER,
        series=uids.SERIES_DESCRIPTION,
    )
    return Section(
        "Information Object Definitions",
        ("The node makes one kind of object; it adds no attributes to objects of others and changes none.",),
        (Section("Similar-Case Report", (text,)), Section("Private Attributes", ("None.",))),
    )


def structured_reports() -> Section:
    title = codes.DIAGNOSTIC_IMAGING_REPORT
    text = _CONTENT.format(title=f'({title.value}, {title.scheme}, "{title.meaning}")')
    return Section("Structured Report Content Encoding", (text,))


def attribute_mapping() -> Section:
    return Section("Mapping of Attributes", (f"{NOT_SUPPORTED} Patient and study attributes are copied unchanged.",))


def code_sets() -> Section:
    text = _SCHEME.format(
        scheme=codes.PRIVATE_SCHEME, name=codes.PRIVATE_SCHEME_NAME, version=codes.PRIVATE_SCHEME_VERSION
    )
    rows = [(each.value, each.meaning, definition) for each, definition in codes.PRIVATE_CODES.items()]
    return Section("Code Set Usage", (text, table(("Code", "Meaning", "Definition"), rows)))
