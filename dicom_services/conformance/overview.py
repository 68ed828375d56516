"""Sections 1, 3 and 4: what the product is, who reads this, how it is built."""

from dicom_services import character_sets
from dicom_services.conformance.contexts import content_and_transfer, dimse_services
from dicom_services.conformance.document import NOT_SUPPORTED, Section, code

_PRODUCT = """\
RadIR node receives studies and their reports from a PACS, indexes chest radiographs and chest CT, and answers "cases
like this one" with a Structured Report inside the study that was asked about. It is for research and education, not
for primary diagnosis."""

_GENERATED = """\
This statement follows the template of PS3.2 Annex N: section n here is N.n there. Its tables are generated from the
tables and settings that the server runs on (`python -m dicom_services.conformance`); tests compare the two, and open
an association for every row."""

_CONTENT = """\
Every object of the classes below is stored bit-preserving and can be retrieved again; what cannot be indexed is kept
and listed with the reason. No object is displayed by a DICOM viewer of the product. Transfer syntaxes: see 7.2.1.4."""

_AUDIENCE = """\
Administrators of hospital networks, PACS and modalities, and engineers who connect them. Knowledge of DICOM is
presumed."""

_REMARKS = """\
This statement alone does not ensure interoperability; it allows a first comparison with the statement of a peer. Tests
with the peer on site are still needed. The tests of this repository run against DCMTK, GDCM, Orthanc, dcmjs-dimse and
pynetdicom."""

_TERMS = """\
- *Similar-case report*: the Structured Report that the node makes for an indexed study.
- *Virtual series*: the series under which that report is listed before it is made.
- *Peer*: an Application Entity of the configuration (`dicom.peers`); every other caller is *unknown*.
- *Archive*: the peer that `dicom.retrieve_from` or `dicom.verify_with` names, as a rule the PACS.
- *Spool*: the folder of objects that are acknowledged and not yet in the catalogue."""

_ABBREVIATIONS = """\
AE Application Entity; DIMSE DICOM Message Service Element; IAN Instance Availability Notification; IOD Information
Object Definition; MPPS Modality Performed Procedure Step; PDU Protocol Data Unit; SCP Service Class Provider; SCU
Service Class User; SOP Service-Object Pair; SR Structured Report; TID Template Identifier; UID Unique Identifier."""

_REFERENCES = """\
DICOM PS3.1 to PS3.20 (National Electrical Manufacturers Association), RFC 8996, RFC 9325 (BCP 195), RFC 7519."""

_DATA_FLOW = """\
```
modality, PACS --C-STORE, N-ACTION, MPPS, IAN--> +------------+ --C-STORE (push), N-ACTION--> PACS
viewer ---------C-FIND, C-MOVE, C-GET----------> |  RadIR AE  | --C-STORE (C-MOVE)----------> viewer
PACS -----------N-EVENT-REPORT-----------------> +------------+ --C-FIND, C-MOVE, C-GET-----> archive
                                                       |        --N-EVENT-REPORT------------> modality
                                              index of similar cases
```"""

_ENTITY = """\
One Application Entity, title `dicom.ae_title`, does all of it: the same title listens and calls. In the default
installation it is served by several processes behind one port, which is not visible on the network.

- It takes objects, and acknowledges each when it is durable.
- It finds out when a study is complete (5.6.1), and indexes it.
- It lists the similar-case report as a series of the study, makes it when it is retrieved, and pushes it where
  `dicom.push_to` says so.
- It promises senders to keep their objects, and asks the archive to keep what it pushed."""


def overview() -> Section:
    return Section(
        "Overview",
        (_PRODUCT, _GENERATED),
        (
            Section("Content and Transfer", (_CONTENT, content_and_transfer()), (_templates(),)),
            Section("DIMSE Services", (), tuple(dimse_services())),
            Section("DICOM Web Services", (NOT_SUPPORTED,)),
            Section("Media Services", (NOT_SUPPORTED,)),
            Section("Real-Time Video Services", (NOT_SUPPORTED,)),
            Section("De-identification Profiles", (NOT_SUPPORTED,)),
            Section(
                "Specific Character Sets", (", ".join(map(code, character_sets.supported_terms())) + ". See 5.7.",)
            ),
        ),
    )


def introduction() -> Section:
    return Section(
        "Introduction",
        (),
        (
            Section("Revision History", ("That of this file in version control.",)),
            Section("Audience", (_AUDIENCE,)),
            Section("Remarks", (_REMARKS,)),
            Section("Terms and Definitions", (_TERMS,)),
            Section("Abbreviations", (_ABBREVIATIONS,)),
            Section("References", (_REFERENCES,)),
        ),
    )


def implementation_model() -> Section:
    entity = Section("Functional Definition of the RadIR Application Entity", (_ENTITY,))
    return Section(
        "Implementation Model", (), (Section("Application Entities and Data Flow", (_DATA_FLOW,), (entity,)),)
    )


def _templates() -> Section:
    return Section("Root Template Identifiers of Structured Reports", ("TID 2000 Basic Diagnostic Imaging Report.",))
