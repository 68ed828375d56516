"""Text in every Specific Character Set, written strictly and read tolerantly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.charset import convert_encodings, decode_bytes

from dicom_services.character_sets import DEFAULT, UTF_8, character_set, supported_terms

TEXTS = [
    (["ISO_IR 100"], "Buc^Jérôme"),
    (["ISO_IR 101"], "Wałęsa^Świętosława"),
    (["ISO_IR 109"], "Ċetta^Ħanini"),
    (["ISO_IR 110"], "Bērziņš^Ķeņģis"),
    (["ISO_IR 126"], "Διονυσιος"),
    (["ISO_IR 127"], "قباني^لنزار"),
    (["ISO_IR 138"], "שרון^דבורה"),
    (["ISO_IR 144"], "Люкceмбypг"),
    (["ISO_IR 148"], "Çavuşoğlu"),
    (["ISO_IR 166"], "นามสกุล^ชื่อ"),
    (["ISO_IR 203"], "Œuvre^€"),
    (["ISO_IR 13"], "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    (["ISO_IR 192"], "Wang^XiaoDong=王^小东=😀"),
    (["GB18030"], "Wang^XiaoDong=王^小东=𠀀"),
    (["GBK"], "Wang^XiaoDong=王^小东"),
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    (["", "ISO 2022 IR 87"], "=ソ^表a表=b"),
    (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    (["", "ISO 2022 IR 87", "ISO 2022 IR 159"], "=丂山^a"),
    (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    (["", "ISO 2022 IR 58"], "Zhang^XiaoDong=张^小东="),
    (["ISO 2022 IR 100", "ISO 2022 IR 144", "ISO 2022 IR 126"], "Müller^Люкс Ö Διον^Ä"),
]


@pytest.mark.parametrize(("terms", "text"), TEXTS)
def test_there_and_back(terms, text):
    """What a set holds is read as it was written."""
    characters = character_set(terms)

    assert (tuple(terms), text) == (characters.terms, characters.decode(characters.encode(text), is_name=True))


@pytest.mark.parametrize(
    ("terms", "text"), [(t, x) for t, x in TEXTS if "ソ" not in x and t[-1] not in ("ISO 2022 IR 58", "ISO_IR 203")]
)
def test_pydicom_reads_it(terms, text):
    """Another implementation reads the same text."""
    data = character_set(terms).encode(text)

    assert text == decode_bytes(data, convert_encodings(terms), set(b"^="))


# Encoded names of PS3.5 annexes H, I, J and K.
STANDARD = [
    (["", "ISO 2022 IR 87"], b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"),
    (["ISO 2022 IR 13", "ISO 2022 IR 87"],
     b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J"),
    (["", "ISO 2022 IR 149"],
     b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"),
    (["ISO_IR 192"], b"Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1="),
    (["GB18030"], b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab="),
    (["", "ISO 2022 IR 58"], b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="),
]  # fmt: skip


@pytest.mark.parametrize(("terms", "data"), STANDARD)
def test_examples_of_the_standard(terms, data):
    """The examples of PS3.5 are written byte for byte."""
    characters = character_set(terms)

    assert data == characters.encode(characters.decode(data, is_name=True))


@pytest.mark.parametrize(
    ("spelled", "terms"),
    [
        (["ISO IR 192"], ("ISO_IR 192",)),
        (["ISO_IR_192"], ("ISO_IR 192",)),
        (["iso_ir 192 "], ("ISO_IR 192",)),
        (["UTF-8"], ("ISO_IR 192",)),
        (["utf8"], ("ISO_IR 192",)),
        (["ISO 2022 IR 192"], ("ISO_IR 192",)),
        (["ISO-IR 100"], ("ISO_IR 100",)),
        (["ISO_IR100"], ("ISO_IR 100",)),
        (["ISO 8859-1"], ("ISO_IR 100",)),
        (["ISO8859_5"], ("ISO_IR 144",)),
        (["latin1"], ("ISO_IR 100",)),
        (["ISO 2022 IR 100"], ("ISO_IR 100",)),
        (["gb18030"], ("GB18030",)),
        (["GB 18030"], ("GB18030",)),
        (["ISO 2022 GBK"], ("GBK",)),
        (["ISO 2022 58"], ("", "ISO 2022 IR 58")),
        (["iso2022-jp"], ("", "ISO 2022 IR 87")),
        (["ISO 2022 IR 149"], ("", "ISO 2022 IR 149")),
        (["ISO_IR 100", "ISO_IR 144"], ("ISO 2022 IR 100", "ISO 2022 IR 144")),
        (["ISO 2022 IR 6", "ISO 2022 IR 87"], ("", "ISO 2022 IR 87")),
        (["iso_ir 13", "ISO-2022-IR 87"], ("ISO 2022 IR 13", "ISO 2022 IR 87")),
        (["ISO_IR 192", "ISO 2022 IR 87"], ("ISO_IR 192",)),
        (["ISO_IR 6"], ()),
        ([""], ()),
        ([], ()),
        (["\\"], ()),
        (["KLINGON"], ()),
        (["ISO_IR 999"], ()),
    ],
)
def test_spellings(spelled, terms):
    """Every spelling that is seen in the field means its set; what means nothing is the default repertoire."""
    assert terms == character_set(spelled).terms


def test_terms_mean_themselves():
    """Each term that the conformance statement lists is understood."""
    assert [] == [term for term in supported_terms() if term not in character_set(["ISO 2022 IR 6", term]).terms
                  and (term,) != character_set([term]).terms]  # fmt: skip


@pytest.mark.parametrize(
    ("terms", "data", "text"),
    [
        ([], b"M\xc3\xbcller", "Müller"),
        ([], b"M\xfcller", "Müller"),
        ([], b"Hong=\x1b$)C\xfb\xf3", "Hong=洪"),
        (["ISO_IR 192"], b"M\xfcller", "M\ufffdller"),
        (["GB18030"], b"\xff", "\ufffd"),
        (["", "ISO 2022 IR 149"], b"\xfb\xf3^\xd1\xce", "洪^吉"),
        (["", "ISO 2022 IR 149"], b"\x1b$)C\xfb\xf3^\xd1\xce", "洪^吉"),
        (["", "ISO 2022 IR 87"], b"\x1b$B;3\x1b(J^a", "山^a"),
        (["", "ISO 2022 IR 87"], b"\x1b$B;3\r\n;3", "山\r\n山"),
        (["", "ISO 2022 IR 87"], b"\x1b$B;", "\ufffd"),
        (["ISO_IR 100"], b"a\x1b", "a"),
        (["ISO_IR 100"], b"\x1b-L\xbb a", "Л a"),
        (["ISO_IR 13"], b"\x8e\x52\x93\x63", "山田"),
        (["ISO_IR 126"], b"\xff\xe1", "\ufffdα"),
    ],
)
def test_tolerant_reading(terms, data, text):
    """Bytes beside the declared set are read as what they most likely are, and none makes reading fail."""
    assert text == character_set(terms).decode(data, is_name=True)


@pytest.mark.parametrize(
    ("terms", "text"),
    [(["ISO_IR 100"], "Люкс"), (["ISO_IR 13"], "¥"), (["ISO_IR 13"], "山"), (["GBK"], "😀"), ([], "é"),
     (["", "ISO 2022 IR 87"], "é"), (["", "ISO 2022 IR 149"], "쀍"), (["", "ISO 2022 IR 87"], "ﾔ")],
)  # fmt: skip
def test_strict_writing(terms, text):
    """Text that a set does not hold is refused, also where a codec would bend it into the set."""
    with pytest.raises(UnicodeEncodeError):
        character_set(terms).encode(f"a{text}")


def test_composed_before_writing():
    """A letter with a combining accent is written as the one character that the set has."""
    assert b"M\xfcller" == character_set(["ISO_IR 100"]).encode("Mu\u0308ller")


anything = st.sampled_from([DEFAULT, UTF_8, *(character_set(terms) for terms, _ in TEXTS)])


@given(characters=anything, data=st.binary(max_size=40) | st.lists(st.sampled_from(
    [b"\x1b$B", b"\x1b(B", b"\x1b(J", b"\x1b)I", b"\x1b$)C", b"\x1b-A", b"\x1b", b"^", b"=", b";3", b"\xfb\xf3", b"a"])
).map(b"".join), is_name=st.booleans())  # fmt: skip
def test_any_bytes_are_read(characters, data, is_name):
    """Reading returns text whatever the bytes."""
    assert isinstance(characters.decode(data, is_name), str)


@given(characters=anything, text=st.text("aé ^=\\\r山ソ表ﾔ홍Лα€😀丂", max_size=12), is_name=st.booleans())
def test_what_is_written_is_read(characters, text, is_name):
    """Whatever a set accepts comes back unchanged."""
    try:
        data = characters.encode(text)
    except UnicodeEncodeError:
        return

    assert text == characters.decode(data, is_name)
