"""The character set matrix of C-FIND: stored in one set, asked for in another, answered in one that holds the name."""

import re

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from dicom_services.scu.caller import Caller
from dicom_services.scu.send import send_files

STUDY_ROOT = StudyRootQueryRetrieveInformationModelFind

UTF_8 = ["ISO_IR 192"]
SCRIPTS = {
    "Latin-1": ("Buc^Jérôme", [["ISO_IR 100"], UTF_8]),
    "Latin-2": ("Wałęsa^Świętosława", [["ISO_IR 101"], UTF_8]),
    "Greek": ("Διονυσιος", [["ISO_IR 126"], UTF_8, ["GB18030"]]),
    "Cyrillic": ("Люксембург", [["ISO_IR 144"], UTF_8, ["GB18030"]]),
    "Arabic": ("قباني^لنزار", [["ISO_IR 127"], UTF_8]),
    "Hebrew": ("שרון^דבורה", [["ISO_IR 138"], UTF_8]),
    "Turkish": ("Çavuşoğlu^Işık", [["ISO_IR 148"], UTF_8]),
    "Thai": ("นามสกุล^ชื่อ", [["ISO_IR 166"], UTF_8]),
    "kana": ("ﾔﾏﾀﾞ^ﾀﾛｳ", [["ISO_IR 13"], UTF_8]),
    "Japanese": ("Yamada^Tarou=山田^太郎=やまだ^たろう", [["", "ISO 2022 IR 87"], UTF_8, ["GB18030"]]),
    "Japanese and kana": ("ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう", [["ISO 2022 IR 13", "ISO 2022 IR 87"], UTF_8]),
    "Korean": ("Hong^Gildong=洪^吉洞=홍^길동", [["", "ISO 2022 IR 149"], UTF_8]),
    "Chinese": ("Wang^XiaoDong=王^小东", [["GB18030"], ["GBK"], UTF_8]),
}
"""Script -> (a name, the sets it is stored in)."""

ASKED = [
    ["ISO_IR 100"],
    ["ISO_IR 126"],
    ["ISO_IR 144"],
    UTF_8,
    ["GB18030"],
    ["", "ISO 2022 IR 87"],
    ["", "ISO 2022 IR 149"],
]
"""Sets of queries beside those that the name is stored in."""


def can_hold(terms, name):
    """Say whether the set is one of those that are known to hold the name."""
    japanese, cyrillic = "山田" in name and "ﾔ" not in name, name == "Люксембург"
    holders = {
        "GB18030": True,
        "ISO_IR 192": True,
        "ISO_IR 100": name == "Buc^Jérôme",
        "ISO 2022 IR 58": "小" in name or japanese or cyrillic,
        "ISO 2022 IR 87": japanese or cyrillic,
        "ISO 2022 IR 149": "홍" in name or cyrillic,
    }
    own = [stored for script_name, sets in SCRIPTS.values() if script_name == name for stored in sets]
    return terms in own or holders.get(terms[-1], False)


def query(terms, **keys):
    """A study level query in the given set."""
    ds = Dataset()
    ds.QueryRetrieveLevel = "STUDY"
    ds.PatientName, ds.PatientID, ds.StudyInstanceUID = "", "", ""
    if terms:
        ds.SpecificCharacterSet = terms
    for keyword, value in keys.items():
        setattr(ds, keyword, value)
    return ds


def as_list(value):
    """Specific Character Set as a list of terms."""
    return [value or ""] if isinstance(value, str) or value is None else [term or "" for term in value]


@pytest.fixture(params=SCRIPTS, ids=list(SCRIPTS))
def stored(request, node, make_file):
    """A name, stored once in each set that holds it; returns the name and those sets."""
    name, sets = SCRIPTS[request.param]
    files = [
        make_file(SpecificCharacterSet=terms, PatientName=name, PatientID=f"P{number}")
        for number, terms in enumerate(sets)
    ]
    send_files(node.peer, [*files, make_file(PatientName="Other^Name", PatientID="P9")], Caller("TEST"))
    return name, sets


def test_pynetdicom(node, viewer, stored):
    """Stock pynetdicom reads every name, in the set it asked in where that holds the name, else in UTF-8."""
    name, sets = stored
    caller = viewer(node)

    for terms in [*sets, *ASKED]:
        keys = query(terms, PatientName=name) if can_hold(terms, name) else query(terms, PatientID="P?")
        answers = [answer for _, answer in caller.find(STUDY_ROOT, keys)[:-1]]
        answers = [answer for answer in answers if answer.PatientID != "P9"]

        assert [name] * len(sets) == [str(answer.PatientName) for answer in answers], terms
        expected = terms if can_hold(terms, name) else UTF_8
        assert [expected] * len(sets) == [as_list(answer.SpecificCharacterSet) for answer in answers], terms


def test_dcmtk(node, find, tool, stored, tmp_path):
    """DCMTK's findscu finds every name by itself, and dcmdump reads the answers as UTF-8."""
    name, sets = stored

    for number, terms in enumerate([*sets, ["ISO_IR 126"], ["", "ISO 2022 IR 58"]]):
        keys = query(terms, PatientName=name) if terms in sets else query(terms, PatientID="P0")
        keys.file_meta = FileMetaDataset()
        keys.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        keys.save_as(tmp_path / f"{number}.query", implicit_vr=False, little_endian=True)
        find("STUDY", query_file=tmp_path / f"{number}.query")

        answers = sorted(find.folder.glob("*.dcm"))
        assert len(answers) == (len(sets) if terms in sets else 1), terms
        for answer in answers:
            assert name == text_of(tool, answer), terms
            assert (terms if can_hold(terms, name) else UTF_8) == as_list(dcmread(answer).SpecificCharacterSet)


def text_of(tool, path):
    """The name in a file as DCMTK reads it; as pydicom does for the one set that Debian's DCMTK cannot convert."""
    if "ISO 2022 IR 87" in as_list(dcmread(path).SpecificCharacterSet):
        return str(dcmread(path).PatientName)
    return re.search(r"\[(.*?) *\]", tool("dcmdump", "-q", "+U8", "+P", "PatientName", path).text)[1]


def test_misspelled_sets(node, viewer, make_file):
    """A set that is spelled wrongly is understood, and the answer spells it rightly."""
    send_files(node.peer, [make_file(SpecificCharacterSet="ISO_IR 192", PatientName="Müller^Änne")], Caller("TEST"))
    caller = viewer(node)

    for spelled, term in [("ISO IR 192", "ISO_IR 192"), ("UTF-8", "ISO_IR 192"), ("iso_ir_100", "ISO_IR 100")]:
        keys = query([], PatientName="Müller*")
        keys.SpecificCharacterSet = spelled
        ((_, answer), _) = caller.find(STUDY_ROOT, keys)

        assert (term, "Müller^Änne") == (answer.SpecificCharacterSet, str(answer.PatientName))


def test_undeclared_bytes(node, viewer, make_file):
    """Bytes beyond ASCII in a query that names no set are read as what they most likely are."""
    send_files(node.peer, [make_file(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Änne")], Caller("TEST"))
    caller = viewer(node)

    for data in ("Müller*".encode(), "Müller*".encode("latin_1")):
        keys = query([])
        keys.PatientName = data
        ((_, answer), _) = caller.find(STUDY_ROOT, keys)

        assert ("ISO_IR 192", "Müller^Änne") == (answer.SpecificCharacterSet, str(answer.PatientName))


@pytest.mark.parametrize(
    ("term", "name", "answered"), [("ISO_IR 100", "Müller", "ISO_IR 100"), ("ISO_IR 100", "王", "ISO_IR 192")]
)
def test_set_of_the_peer(start_node, viewer, make_file, term, name, answered):
    """A peer's own set is used where its query names none and the set holds the answer."""
    peer = {"ae_title": "VIEWER", "host": "127.0.0.1", "port": 1, "character_set": term}
    node = start_node(peers={"viewer": peer})
    send_files(node.peer, [make_file(SpecificCharacterSet="ISO_IR 192", PatientName=name)], Caller("TEST"))

    ((_, answer), _) = viewer(node).find(STUDY_ROOT, query([]))

    assert (answered, name) == (answer.SpecificCharacterSet, str(answer.PatientName))


def test_ascii_names_no_set(node, viewer, make_file):
    """An answer in ASCII says nothing about character sets (PS3.4 C.4.1.1.3.2)."""
    send_files(node.peer, [make_file()], Caller("TEST"))

    ((_, answer), _) = viewer(node).find(STUDY_ROOT, query(["ISO_IR 144"]))

    assert ("Doe^Jane", False) == (str(answer.PatientName), "SpecificCharacterSet" in answer)
