"""Attribute matching of PS3.4 C.2.2.2."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_services.scp.query.matching import AnyOf, Either, Empty, Exact, Name, Range, Wildcard, matcher, predicate
from radir_node.domain.person_name import folded

CASES = [
    ("UI", ["1.2"], "1.2", True),
    ("UI", ["1.2"], "1.2.3", False),
    ("UI", ["1.2", "1.3"], "1.3", True),
    ("UI", ["1.2", ""], "1.2", True),
    ("UI", ["1.*"], "1.2", False),
    ("LO", ["CT*"], "CT chest", True),
    ("LO", ["ct*"], "CT chest", False),
    ("LO", ["C? chest"], "CT chest", True),
    ("LO", ["C? chest"], "CAT chest", False),
    ("LO", ["a.c"], "abc", False),
    ("LO", ["*ab*ab"], "abcab", True),
    ("LO", ["*ab*ab"], "cab", False),
    ("LO", ["a*b?*d"], "a b bcd", True),
    ("LO", ["a*"], "a\nb", True),
    ("LO", ["M*", "CT chest"], "CT chest", True),
    ("LO", ["M*", "CT chest"], "CT", False),
    ("SH", ["x "], "x", True),
    ("SH", ["x"], None, False),
    ("CS", ["SR"], ["CT", "SR"], True),
    ("CS", ["MR"], ["CT", "SR"], False),
    ("CS", ["S?"], ("CT", "SR"), True),
    ("CS", ["MR", "SR"], ["CT", "SR"], True),
    ("CS", ["SR"], [], False),
    ("IS", ["2"], 2, True),
    ("IS", ["+007"], 7, True),
    ("IS", ["two"], 2, False),
    ("US", ["512"], 512, True),
    ("DA", ["20240305"], "20240305", True),
    ("DA", ["20240305"], dt.date(2024, 3, 5), True),
    ("DA", ["2024.03.05"], "20240305", True),
    ("DA", ["20240305"], "2024.03.05", True),
    ("DA", ["2024-03-05"], dt.date(2024, 3, 5), True),
    ("DA", ["2024-03-01-2024-03-31"], dt.date(2024, 3, 5), True),
    ("DA", ["2024-03-01 - 2024-03-04"], dt.date(2024, 3, 5), False),
    ("DA", ["202403"], dt.date(2024, 3, 31), True),
    ("DA", ["2024*"], dt.date(2024, 12, 31), True),
    ("DA", ["2024*"], dt.date(2025, 1, 1), False),
    ("DA", ["202402-202403"], dt.date(2024, 3, 31), True),
    ("DA", ["20240301-20240331"], "20240305", True),
    ("DA", [" 20240301 - 20240331 "], "20240305", True),
    ("DA", ["-20240304"], "20240305", False),
    ("DA", ["20240305-"], "20240305", True),
    ("DA", ["20240101-"], "", False),
    ("DA", ["20240101-"], None, False),
    ("DA", ["yesterday"], "20240305", False),
    ("DA", ["20240305", "20240307"], dt.date(2024, 3, 7), True),
    ("DA", ["20240305", "20250101-"], dt.date(2026, 3, 7), True),
    ("TM", ["1015"], "101559.5", True),
    ("TM", ["1015"], "101600", False),
    ("TM", ["101500"], "1015", True),
    ("TM", ["101500"], "101500.000", True),
    ("TM", ["101500.5"], "101500.500000", True),
    ("TM", ["101500.5"], "101500.51", False),
    ("TM", ["10:15:00"], "101500", True),
    ("TM", ["101500"], "10:15:00", True),
    ("TM", ["10-11"], "113059", True),
    ("TM", ["10:15-"], "101400", False),
    ("TM", ["-1015"], "101559.999999", True),
    ("TM", ["000000-"], "000000", True),
    ("TM", ["0-1"], "", False),
    ("DT", ["20240305"], "20240305101500", True),
    ("DT", ["20240305101500.0000"], "20240305101500", True),
    ("DT", ["19980128103000"], "19980128073000-0300", True),
    ("DT", ["20240305120000+0200"], "20240305100000", True),
    ("DT", ["20240305-20240306"], "20240306235959.9", True),
    ("DT", ["20240305100000-0200-20240305110000-0200"], "20240305123000", True),
    ("DT", ["20240305-"], "20240304235959", False),
    ("DT", ["-20240305"], "20240305235959", True),
    ("DT", ["20240305-0500"], "20240305050000", True),
]


@pytest.mark.parametrize(("vr", "key", "value", "expected"), CASES)
def test_matches(vr, key, value, expected):
    """A key accepts exactly the values that its kind of matching defines."""
    found = matcher(vr, key)

    assert found is not None
    assert expected == predicate(vr, found)(value)


NAMES = [
    ("doe^j*", "Doe^Jane", True),
    ("doe", "Doe^Jane", False),
    ("doe^jane", "DOE^JANE^^Dr", False),
    ("doe^jane^*", "Doe^Jane", True),
    ("doe^*^*^dr*", "Doe^Jane^^Dr.", True),
    ("d?e^jane", "Doe^Jane", True),
    ("doe?jane", "Doe^Jane", False),
    ("Doe^Jane^^^", "Doe^Jane", True),
    ("Doe^Jane", "Doe^Jane^^^ ", True),
    ("doe ^ jane", "Doe^Jane", True),
    ("MÜLLER*", "Müller^Änne", True),
    ("muller^anne", "MÜLLER^Änne", True),
    ("Müller^Änne", "MULLER^ANNE", True),
    ("mu\u0308ller*", "Müller^Änne", True),
    ("ｄｏｅ^*", "Doe^Jane", True),
    ("ﬁsher", "FISHER", True),
    ("wei?^a*", "Weiß^Anna", True),
    ("weiss^a*", "Weiß^Anna", True),
    ("yamada*", "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
    ("山田^太郎", "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
    ("やまだ*", "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
    ("太郎", "Yamada^Tarou=山田^太郎=やまだ^たろう", False),
    ("*太郎", "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
    ("=山田*", "Yamada^Tarou=山田^太郎", True),
    ("=山田*", "山田^太郎=Yamada^Tarou", False),
    ("yamada*=山田*", "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
    ("yamada*=鈴木*", "Yamada^Tarou=山田^太郎", False),
    ("yamada*=*", "Yamada^Tarou", True),
    ("山田*=yamada*=x", "Yamada^Tarou", False),
    ("ﾔﾏﾀﾞ*", "ヤマダ^タロウ=山田^太郎", True),
    ("διονυσιος", "ΔΙΟΝΎΣΙΟΣ", True),
    ("люксембург", "Люксембургъ", False),
    ("홍^길동", "Hong^Gildong=洪^吉洞=홍^길동", True),
    ("doe", None, False),
]


@pytest.mark.parametrize(("key", "value", "expected"), NAMES)
def test_names(key, value, expected):
    """Names match without case and accents, by component, in every component group."""
    found = matcher("PN", [key])

    assert found is not None
    assert expected == predicate("PN", found)(value)


@pytest.mark.parametrize(
    ("vr", "key"),
    [
        *[("LO", key) for key in ([], [""], ["*"], [" ** "], ["a", "*"])],
        *[("PN", key) for key in (["**"], ["*=*"], ["^^"])],
        *[("UI", key) for key in (["*"], ["", ""])],
        *[("DA", ["-"]), ("DA", ["*"]), ("TM", [" - "])],
    ],
)
def test_universal(vr, key):
    """An empty key, only wild cards or an open range match everything, and so make no matcher."""
    assert matcher(vr, key) is None


def test_kinds():
    """The catalogue can tell the kinds apart and translate them."""
    keys = [
        matcher("UI", ["1", "2"]),
        matcher("LO", ["a"]),
        matcher("LO", ["a*"]),
        matcher("DA", ["20240101-20241231"]),
        matcher("PN", ["Doe*"]),
        matcher("LO", ["a", "b*"]),
    ]

    assert keys == [
        AnyOf(("1", "2")),
        Exact("a"),
        Wildcard("a*"),
        Range("20240101", "20241231"),
        Name("doe*"),
        Either((Exact("a"), Wildcard("b*"))),
    ]


def test_empty_value():
    """Two quotation marks find what has no value when that was negotiated, and are ordinary text when it was not."""
    negotiated = matcher("LO", ['""'], empty_value=True)

    assert (negotiated, matcher("LO", ['""'])) == (Empty(), Exact('""'))
    assert [predicate("LO", Empty())(value) for value in (None, "", [], "x", ["x"])] == [True] * 3 + [False] * 2


def test_many_wild_cards_do_not_hang():
    """A key of many wild cards is turned down as fast as any other, not after trying every way to part the value."""
    key = matcher("LO", ["*a" * 30 + "*b"])

    assert key is not None
    assert not predicate("LO", key)("a" * 64)


name_texts = st.text(alphabet="aAéßøﬁ山ガ^^=* ?", max_size=10)


@given(key=name_texts, name=name_texts.filter(lambda text: "*" not in text and "?" not in text))
def test_what_a_database_narrows_names_by(key, name):
    """Every name that matches a key satisfies one of the patterns that the catalogue may narrow folded names by."""
    found = matcher("PN", [key])

    if isinstance(found, Name) and found.accepts(name):
        assert any(Wildcard(pattern).accepts(folded(name)) for pattern in found.patterns)


@given(
    vr=st.sampled_from(["DA", "TM", "DT", "PN", "LO", "UI", "IS", "US", "CS"]),
    texts=st.lists(st.text(max_size=12) | st.text("0123456789-:.+*?^= ", max_size=30), max_size=3),
    value=st.none() | st.text(max_size=12) | st.dates() | st.integers() | st.lists(st.text(max_size=4), max_size=2),
)
def test_any_key_is_answered(vr, texts, value):
    """Whatever stands in a key, it makes a matcher or none, and that says yes or no to every value."""
    key = matcher(vr, texts, empty_value=True)

    assert key is None or predicate(vr, key)(value) in (True, False)
