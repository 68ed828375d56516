"""Names in scripts beyond ASCII, stored in the sets of their countries, asked for and answered in others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from independent_clients import HOST, Dcmtk, Scu, dcmtk, run
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

Site, Study = Any, Any  # conftest.py

NAMES = {
    "latin": (["ISO_IR 100"], "Müller^Änne"),
    "greek": (["ISO_IR 126"], "Διονυσιος^Ελενη"),
    "cyrillic": (["ISO_IR 144"], "Люкceмбypг^Анна"),
    "japanese": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "korean": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    "chinese": (["GB18030"], "Wang^XiaoDong=王^小东"),
    "unicode": (["ISO_IR 192"], "Łukasz^Żółć"),
}
"""Script -> Specific Character Set and Patient's Name; the East Asian ones are those of PS3.5 annexes H, I and J."""

every_script = pytest.mark.parametrize("script", NAMES)


@pytest.fixture(scope="module")
def sent_once() -> dict[str, str]:
    """Script -> Study Instance UID of what the node has already."""
    return {}


@pytest.fixture
def study_of(sent_once: dict[str, str], stored: Callable[..., Study]) -> Callable[[str], str]:
    """Send a patient with a name of the script once; return the Study Instance UID."""

    def make(script: str) -> str:
        if script not in sent_once:
            terms, name = NAMES[script]
            sent_once[script] = stored(1, SpecificCharacterSet=terms, PatientName=name).uid
        return sent_once[script]

    return make


def by_groups(name: str) -> str:
    """The name without empty components and groups at its end: both may be left out (PS3.5 6.2.1)."""
    return "=".join(group.rstrip("^") for group in name.split("=")).rstrip("=")


@every_script
@pytest.mark.parametrize("scu", ["dcmtk", "gdcm", "odil", "dcmjs"], indirect=True)
def test_asked_in_unicode(
    scu: Scu, site: Site, study_of: Callable[[str], str], new_folder: Callable[[], Path], script: str
) -> None:
    """A client that says ISO_IR 192 finds every name by its own letters, and reads it in the answer."""
    uid, name = study_of(script), NAMES[script][1]
    family = name.split("=")[0].split("^")[0]
    keys = {"SpecificCharacterSet": "ISO_IR 192", "QueryRetrieveLevel": "STUDY", "PatientName": f"{family}*"}

    reply = scu.ask(site.port, "find", keys={**keys, "StudyInstanceUID": uid}, folder=new_folder())

    assert reply.done, reply.text[-2000:]
    assert [(uid, by_groups(name))] == [
        (answer["StudyInstanceUID"], by_groups(answer["PatientName"])) for answer in reply.answers
    ]


def asked_in(site: Site, folder: Path, terms: list[str], **keys: str) -> list[Dataset]:
    """Query with findscu, whose request is a file in the character set; return the answers as they came."""
    query = Dataset()
    query.file_meta = FileMetaDataset()
    query.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    query.file_meta.MediaStorageSOPClassUID, query.file_meta.MediaStorageSOPInstanceUID = generate_uid(), generate_uid()
    query.SpecificCharacterSet, query.QueryRetrieveLevel = terms, "STUDY"
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    path = folder / "query.dcm"
    query.save_as(path, enforce_file_format=True)
    answers = folder / "answers"
    answers.mkdir()
    run([dcmtk("findscu"), "-S", "-aec", "RADIR", "-X", "-od", answers, HOST, str(site.port), path])
    return [dcmread(each, force=True) for each in sorted(answers.iterdir())]


@every_script
def test_answered_in_the_set_of_the_question(
    site: Site, study_of: Callable[[str], str], new_folder: Callable[[], Path], script: str
) -> None:
    """A requester that names a set gets the answer in it, as long as it holds the name (PS3.4 C.4.1.1.3.2)."""
    uid, (terms, name) = study_of(script), NAMES[script]
    family = name.split("=")[0].split("^")[0]

    found = asked_in(site, new_folder(), terms, PatientName=f"{family}*", StudyInstanceUID=uid)

    (answer,) = found
    assert [term or "" for term in terms] == listed(answer.get("SpecificCharacterSet"))
    assert by_groups(name) == by_groups(str(answer.PatientName))


def listed(value: Any) -> list[str]:
    return [str(value)] if isinstance(value, str) else [str(each) for each in value or ()]


@pytest.mark.parametrize("script", ["greek", "cyrillic", "japanese", "chinese"])
def test_answered_in_unicode_where_the_set_does_not_do(
    site: Site, study_of: Callable[[str], str], new_folder: Callable[[], Path], script: str
) -> None:
    """A requester of Latin letters is told a name that Latin-1 cannot hold in ISO_IR 192, and never a wrong one."""
    uid, name = study_of(script), NAMES[script][1]

    (answer,) = asked_in(site, new_folder(), ["ISO_IR 100"], PatientName="", StudyInstanceUID=uid)

    assert "ISO_IR 192" == answer.SpecificCharacterSet
    assert by_groups(name) == by_groups(str(answer.PatientName))


@pytest.mark.parametrize(("asked", "script"), [("muller*", "latin"), ("MÜLLER*", "latin"), ("ДИОНИСИЙ*", "greek")])
def test_case_and_accents(
    site: Site, study_of: Callable[[str], str], new_folder: Callable[[], Path], asked: str, script: str
) -> None:
    """Person names match without case and accents, and not across scripts."""
    uid = study_of(script)
    keys = {"SpecificCharacterSet": "ISO_IR 192", "QueryRetrieveLevel": "STUDY", "PatientName": asked}

    reply = Dcmtk().ask(site.port, "find", keys={**keys, "StudyInstanceUID": uid}, folder=new_folder())

    expected = [] if script == "greek" else [NAMES[script][1]]
    assert expected == [answer["PatientName"] for answer in reply.answers]
