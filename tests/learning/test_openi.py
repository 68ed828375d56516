"""Reading Open-i and the relevance derived from its codes."""

import numpy as np
import pytest

from radir_node.errors import UserError
from radir_node.learning.openi import NOT_CODED, Part, part_of, read_radiograph, read_studies
from radir_node.learning.relevance import ANATOMIES, anatomies_of, chains_at, jaccard, jaccard_matrix, with_prefixes


def test_part_depends_on_the_uid_alone():
    """The part of a study never moves: these were written down when the model was fitted."""
    expected = {"1": "train", "4": "held_out", "10": "held_out", "100": "held_out"}

    assert expected == {uid: str(part_of(uid)) for uid in expected}


def test_parts_have_their_shares():
    """About 70, 10 and 20 of a hundred studies are for training, validation and the held-out test."""
    parts = [part_of(str(uid)) for uid in range(1, 4001)]

    shares = {part: parts.count(part) / len(parts) for part in Part}

    assert shares == pytest.approx({Part.TRAIN: 0.7, Part.VALIDATION: 0.1, Part.HELD_OUT: 0.2}, abs=0.02)


def test_parts_are_disjoint_and_whole(shared_data):
    """Every coded study is in exactly one part, and no study without codes is in any."""
    everything = read_studies(shared_data)
    parts = [{study.uid for study in read_studies(shared_data, part)} for part in Part]

    assert {study.uid for study in everything} == set().union(*parts)
    assert len(everything) == sum(len(part) for part in parts)
    assert not any(NOT_CODED in study.chains for study in everything)


def test_aspect_is_restored(shared_data):
    """A square file of an upright original becomes upright, its longer side 256."""
    file = read_studies(shared_data)[0].image_files[0]

    assert (256, 205) == read_radiograph(file, (2500, 2000)).pixels.shape


def test_missing_table_is_named(tmp_path):
    """A folder without Open-i is answered with the table that is missing."""
    with pytest.raises(UserError, match=r"openi_mesh_gold\.csv"):
        read_studies(tmp_path)


def test_jaccard_by_hand():
    """Two shared of four is a half; nothing shared, or nothing at all, is zero."""
    first, second, empty = {"a", "b", "c"}, {"b", "c", "d"}, set()

    assert [0.5, 0.0, 0.0] == [jaccard(first, second), jaccard(first, {"x"}), jaccard(empty, empty)]
    np.testing.assert_allclose([[1.0, 0.5], [0.0, 0.0]], jaccard_matrix([first, empty], [first, second]))


def test_chains_that_part_late_share_their_beginnings():
    """The left and right base share three of five beginnings."""
    left, right = with_prefixes({"Opacity/lung/base/left"}), with_prefixes({"Opacity/lung/base/right"})

    assert {"Opacity", "Opacity/lung", "Opacity/lung/base", "Opacity/lung/base/left"} == left
    assert 3 / 5 == jaccard(left, right)


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ("Opacity/lung/base/left", {"lung", "lung:left", "lower_zone_base", "lower_zone_base:left"}),
        ("Pleural Effusion/bilateral/small", {"pleura", "pleura:left", "pleura:right"}),
        ("Cardiomegaly/mild", {"heart", "mediastinum"}),
        ("Nodule/lung/middle lobe", {"lung", "lung:right", "middle_lobe", "middle_lobe:right"}),
        ("Calcinosis/mediastinum/lymph nodes", {"mediastinum"}),
        ("normal", set()),
    ],
)
def test_chain_is_at_its_anatomies(chain, expected):
    """A chain is at the sites it names or implies, with their sides and wholes."""
    assert expected == anatomies_of(chain)


def test_chains_at_an_anatomy_are_those_there():
    """Chains elsewhere are left out."""
    assert {"Cardiomegaly"} == chains_at({"Cardiomegaly", "Opacity/lung"}, "heart")


def test_anatomies_are_keys_of_the_vocabulary():
    """Every anatomy of the network can be asked for by its key."""
    from radir_node.domain.anatomy import AnatomyRef

    assert list(ANATOMIES) == [AnatomyRef.from_key(key).key for key in ANATOMIES]
