"""The anatomy vocabulary: names in, keys, parents, partitions and codes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radir_node.domain.anatomy import (
    SIDES,
    SITES,
    AnatomyRef,
    ancestors,
    code,
    is_at_or_below,
    label,
    laterality_code,
    nearest,
    resolve,
)
from radir_node.errors import UnknownAnatomy


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("right lower lobe", "lower_lobe:right"),
        ("RLL", "lower_lobe:right"),
        ("lll", "lower_lobe:left"),
        ("left CP angle", "costophrenic_angle:left"),
        ("Lungs", "lung"),
        ("both lungs", "lung:bilateral"),
        ("heart", "heart"),
        ("Cardiac  silhouette", "heart"),
        ("lower_lobe:right", "lower_lobe:right"),
        ("lower lobe of the right lung", "lower_lobe:right"),
        ("right middle lobe", "middle_lobe:right"),
        ("middle_lobe", "middle_lobe:right"),
        ("lingula", "lingula:left"),
        ("left hemidiaphragm", "diaphragm:left"),
        ("Right Atrium", "atrium:right"),
        ("vertebrae", "thoracic_spine"),
        ("pleura", "pleura"),
        ("ribs", "rib"),
        ("bronchie", "bronchus"),
        ("lung upper lobe", "upper_lobe"),
        ("left heart", "heart"),
    ],
)
def test_free_text_names_resolve_to_keys(text: str, key: str) -> None:
    """A radiologist's words, an abbreviation and a key all reach the same site and side."""
    assert key == resolve(text).key


def test_every_name_and_key_of_the_table_resolves_to_its_site() -> None:
    """No synonym of one site is swallowed by another, and every label can be typed back in."""
    for site, entry in SITES.items():
        assert site == resolve(site).site
        assert site == resolve(entry.names[0]).site
        for side in SIDES if entry.side == "sided" else ():
            ref = AnatomyRef(site, side)
            assert ref == AnatomyRef.from_key(ref.key) == resolve(ref.key)
            if side != "bilateral":
                assert ref == resolve(ref.label)


def test_unknown_names_are_refused_with_close_ones() -> None:
    """The message is one line, quotes what was asked and offers at most three names."""
    with pytest.raises(UnknownAnatomy) as caught:
        resolve("right midle lobe")

    message = str(caught.value)
    assert "right middle lobe" in message
    assert message.count(",") == 2
    assert "\n" not in message


@pytest.mark.parametrize(("site", "side"), [("heart", "left"), ("middle_lobe", "left"), ("lung", "up"), ("leg", "")])
def test_sides_that_do_not_exist_are_refused(site: str, side: str) -> None:
    """A reference outside the vocabulary cannot be built."""
    with pytest.raises(UnknownAnatomy):
        AnatomyRef(site, side)


def test_the_left_middle_lobe_is_refused_by_name() -> None:
    """Free text may name a side that the body does not have; the answer says so."""
    with pytest.raises(UnknownAnatomy, match="middle lobe is on the right"):
        resolve("left middle lobe")


@given(st.text(max_size=80))
def test_any_text_resolves_or_is_unknown(text: str) -> None:
    """Whatever is typed yields a reference or UnknownAnatomy in one line, never another error."""
    try:
        ref = resolve(text)
    except UnknownAnatomy as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert ref.site in SITES


@given(st.sampled_from(["right lower lobe", "left CP angle", "cardiac silhouette", "T-spine"]), st.data())
def test_case_and_spacing_do_not_matter(name: str, data: st.DataObject) -> None:
    """Upper case, doubled blanks and tabs leave the meaning as it is."""
    spaced = "".join(c + data.draw(st.sampled_from(["", " ", "\t"])) if c == " " else c for c in name)

    assert resolve(name) == resolve(spaced.upper()) == resolve(spaced.title())


def test_parents_come_nearest_first_with_side_then_without() -> None:
    """The way up keeps the side as long as the parent has one."""
    assert ancestors("lower_lobe:right") == ("lower_lobe", "lung:right", "lung", "thorax")
    assert ancestors("lingula") == ("upper_lobe:left", "upper_lobe", "lung:left", "lung", "thorax")
    assert ancestors("atrium:right") == ("atrium", "heart", "mediastinum", "thorax")
    assert ancestors("thorax") == ()


def test_every_site_leads_to_the_root() -> None:
    """The parents form one tree."""
    for site in SITES:
        assert site == "thorax" or ancestors(site)[-1] == "thorax"


@pytest.mark.parametrize(
    ("asked", "available", "found"),
    [
        ("lower_lobe:right", {"lower_lobe:right", "lung"}, "lower_lobe:right"),
        ("lower_lobe:right", {"lower_zone_base:right", "lung:right"}, "lower_zone_base:right"),
        ("lower_lobe:right", {"lower_lobe", "lung:right"}, "lower_lobe"),
        ("lower_lobe:left", {"lung:right", "lung"}, "lung"),
        ("middle_lobe:right", {"mid_zone:right", "lung:right"}, "mid_zone:right"),
        ("mid_zone:right", {"middle_lobe", "lung"}, "middle_lobe"),
        ("lingula", {"mid_zone:left", "mid_zone:right"}, "mid_zone:left"),
        ("lung_apex:left", {"upper_zone:left", "upper_lobe:left"}, "upper_zone:left"),
        ("costophrenic_angle:left", {"pleura", "lung:left"}, "pleura"),
        ("atrium:right", {"heart", "*"}, "heart"),
        ("coronary_artery", {"heart", "lung"}, "heart"),
        ("bone", {"rib", "thoracic_spine"}, "thoracic_spine"),
        ("rib:left", {"bone"}, "bone"),
        ("heart", {"lung", "*"}, None),
        ("heart", set(), None),
    ],
)
def test_a_missing_partition_is_replaced_by_the_nearest(asked: str, available: set[str], found: str | None) -> None:
    """Equivalent regions answer first, then what contains the anatomy, else nothing."""
    assert found == nearest(asked, available)


def test_parts_lie_below_their_whole() -> None:
    """The costophrenic angle is pleura, both bases include the left one, a lobe is not the other lobe."""
    assert is_at_or_below("costophrenic_angle:left", "pleura")
    assert is_at_or_below("lower_zone_base:bilateral", "lung:left")
    assert is_at_or_below("heart", "*")
    assert not is_at_or_below("lung", "lower_lobe")
    assert not is_at_or_below("lower_lobe:left", "lung:right")


def test_codes_follow_the_table() -> None:
    """Coded sites are SCT, uncoded ones 99RADIR, and sided concepts win where DICOM has them."""
    assert code("lower_lobe:right") == ("90572001", "SCT", "Lower lobe of lung")
    assert code("atrium:right") == ("73829009", "SCT", "Right atrium")
    assert code("costophrenic_angle:left") == ("costophrenic_angle", "99RADIR", "Costophrenic angle")
    assert laterality_code("right") == ("24028007", "SCT", "Right")
    assert laterality_code("") is None


def test_codes_are_members_of_a_dicom_context_group() -> None:
    """Each SCT code and meaning stands together in pydicom's dictionary with at least one context group."""
    from pydicom.sr._concepts_dict import concepts

    known = {
        (value, meaning) for entry in concepts["SCT"].values() for value, (meaning, groups) in entry.items() if groups
    }
    written = {(entry.sct_code, entry.meaning) for entry in SITES.values() if entry.sct_code}
    written |= {pair for entry in SITES.values() for pair in entry.sided_codes.values()}

    assert set() == written - known


def test_labels_read_as_people_speak() -> None:
    """Labels are names, not keys."""
    assert label("lower_lobe:right") == "right lower lobe"
    assert label("middle_lobe") == "right middle lobe"
    assert label("lower_zone_base:bilateral") == "lung base, both sides"
    assert label("*") == "overall"
