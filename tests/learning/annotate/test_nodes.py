"""The published nodes, and what they are in our vocabulary."""

import pytest

from radir_node.domain.anatomy import AnatomyRef, resolve
from radir_node.domain.study import Modality
from radir_node.errors import UnknownAnatomy, UserError
from radir_node.learning.annotate.nodes import WHOLE, chosen_nodes, load_nodes

EVERY = [node for modality in Modality for node in load_nodes(modality)]


def test_all_nodes_are_there_with_their_published_counts():
    """109 and 48 nodes, in the published order; the sums of their squares are the published 3.36e10 and 5.05e9."""
    cxr, ct = load_nodes(Modality.CXR), load_nodes(Modality.CT)

    assert (109, 48) == (len({node.name for node in cxr}), len({node.name for node in ct}))
    assert (33_593_116_284, 5_046_796_372) == tuple(sum(node.studies**2 for node in nodes) for nodes in (cxr, ct))
    assert ("mediastinum", 47_653) == (cxr[0].name, cxr[0].studies)
    assert ("left auricle", 1) == (cxr[-1].name, cxr[-1].studies)
    assert ("lung", 23_741) == (ct[0].name, ct[0].studies)
    assert {"bronchie": 21_722, "thyroid gland": 300}.items() <= {node.name: node.studies for node in ct}.items()
    for nodes in (cxr, ct):
        assert sorted((node.studies for node in nodes), reverse=True) == [node.studies for node in nodes]


@pytest.mark.parametrize("node", EVERY, ids=lambda node: node.name)
def test_each_node_has_keys_or_a_reason(node):
    """Every key is of the vocabulary in its canonical spelling; where there is none, it says why."""
    assert [AnatomyRef.from_key(key).key for key in node.keys] == list(node.keys)
    assert bool(node.keys) != bool(node.reason)


def test_what_the_vocabulary_knows_is_among_the_keys():
    """A node means what the same words mean when somebody searches for them."""
    known = {node.name: (resolve(node.name).key, node.keys) for node in EVERY if node.keys and is_known(node.name)}

    assert len(known) >= 120
    assert {} == {name: pair for name, pair in known.items() if pair[0] not in pair[1]}


def is_known(name):
    try:
        return bool(resolve(name))
    except UnknownAnatomy:
        return False


def test_chosen_nodes_are_those_that_can_be_annotated():
    """All that have keys, or those that are named; the whole report is no node."""
    assert 98 == len(chosen_nodes(Modality.CXR))
    assert 47 == len(chosen_nodes(Modality.CT))
    assert ["heart"] == [node.name for node in chosen_nodes(Modality.CXR, ("heart", WHOLE))]
    assert () == chosen_nodes(Modality.CXR, (WHOLE,))


@pytest.mark.parametrize(("name", "message"), [("knee", "no node"), ("head", "nothing can be annotated at 'head'")])
def test_what_cannot_be_annotated_is_refused(name, message):
    """A name of no list, and a node without keys."""
    with pytest.raises(UserError, match=message):
        chosen_nodes(Modality.CXR, (name,))
