"""Attribute matching of PS3.4 C.2.2.2."""

import pytest

from dicom_services.scp.matching import AnyOf, Exact, Range, Wildcard, matcher, matches

CASES = [
    ("UI", ["1.2"], "1.2", True),
    ("UI", ["1.2"], "1.2.3", False),
    ("UI", ["1.2", "1.3"], "1.3", True),
    ("UI", ["1.*"], "1.2", False),
    ("LO", ["CT*"], "CT chest", True),
    ("LO", ["ct*"], "CT chest", False),
    ("LO", ["C? chest"], "CT chest", True),
    ("LO", ["C? chest"], "CAT chest", False),
    ("LO", ["a.c"], "abc", False),
    ("LO", ["*ab*ab"], "abcab", True),
    ("LO", ["*ab*ab"], "cab", False),
    ("LO", ["a*b?*d"], "a b bcd", True),
    ("PN", ["doe^j*"], "Doe^Jane", True),
    ("PN", ["MÜLLER*"], "Müller^Änne", True),
    ("DA", ["20240305"], "20240305", True),
    ("DA", ["2024.03.05"], "20240305", True),
    ("DA", ["20240301-20240331"], "20240305", True),
    ("DA", ["-20240304"], "20240305", False),
    ("DA", ["20240305-"], "20240305", True),
    ("DA", ["20240101-"], "", False),
    ("TM", ["1015"], "101559.5", True),
    ("TM", ["10-11"], "113059", True),
    ("TM", ["10:15-"], "101400", False),
    ("CS", ["SR"], ["CT", "SR"], True),
    ("CS", ["MR"], ["CT", "SR"], False),
    ("IS", ["2"], 2, True),
    ("SH", ["x"], None, False),
]


@pytest.mark.parametrize(("vr", "key", "value", "expected"), CASES)
def test_matches(vr, key, value, expected):
    """A key accepts exactly the values that its kind of matching defines."""
    found = matcher(vr, key)

    assert found is not None
    assert expected == matches(found, value)


@pytest.mark.parametrize(("vr", "key"), [("LO", []), ("LO", [""]), ("LO", ["*"]), ("PN", ["**"]), ("DA", ["-"])])
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
    ]

    assert keys == [AnyOf(("1", "2")), Exact("a"), Wildcard("a*"), Range("20240101", "20241231")]


def test_many_wild_cards_do_not_hang():
    """A key of many wild cards is turned down as fast as any other, not after trying every way to part the value."""
    key = matcher("LO", ["*a" * 30 + "*b"])

    assert key is not None
    assert not matches(key, "a" * 64)
