"""`radir deliveries` and `radir commitments`: what peers have not got, why, and the order to try again."""

import json
from collections.abc import Callable

import pytest
from typer.testing import Result

from radir_node.domain.commitment import CommitmentRequest, SopReference
from radir_node.errors import UserError
from radir_node.node.node import Node

Radir = Callable[..., Result]


@pytest.fixture
def refused(node: Node) -> Node:
    """Two objects that the peer refused for good, and one that waits for its next try."""
    for name in ("a", "b", "c"):
        node.deliveries.queue(1, f"1.2.{name}", f"results/{name}.dcm", "pacs")
    first, second, third = (item.id for item in node.deliveries.claim("pacs"))
    node.deliveries.given_up([first, second], "C-STORE status 0x0122")
    node.deliveries.postponed("pacs", [third], "PACS at 10.0.0.5:104 does not answer")
    return node


def test_what_a_peer_refused_is_listed_before_what_is_tried_again(radir: Radir, refused: Node) -> None:
    """With reason, attempts and next try."""
    found = json.loads(radir("deliveries", "--json").stdout)
    shown = radir("deliveries").stdout

    assert ["dead", "dead", "waiting"] == [row["state"] for row in found]
    assert [("pacs", "1.2", 1)] * 3 == [(row["peer"], row["study_instance_uid"], row["attempts"]) for row in found]
    assert "C-STORE status 0x0122" in shown
    assert f"{found[2]['next_attempt_at'][:19]}" in shown


def test_one_delivery_or_all_that_were_given_up_are_tried_again(radir: Radir, refused: Node) -> None:
    """By the number of the list; what waits anyhow is none of them."""
    first, second, third = (row["id"] for row in json.loads(radir("deliveries", "--json").stdout))

    one = radir("deliveries", "retry", str(first)).stdout
    others = radir("deliveries", "retry", "--all").stdout

    assert ("wait again: 1\n", "wait again: 1\n") == (one, others)
    assert {first, second} == {item.id for item in refused.deliveries.claim("pacs")}
    with pytest.raises(UserError, match="no such delivery was given up"):
        radir("deliveries", "retry", str(third))


def test_retry_wants_to_know_what(radir: Radir, refused: Node) -> None:
    """Neither or both of numbers and --all is a mistake."""
    for words in ((), ("1", "--all")):
        with pytest.raises(UserError, match="say which"):
            radir("deliveries", "retry", *words)


def test_an_owed_report_is_listed_and_tried_again(radir: Radir, node: Node) -> None:
    """With the AE title that asked and the number of its instances."""
    references = [SopReference("1.2.840.10008.5.1.4.1.1.2", f"1.2.3.{n}") for n in range(2)]
    node.commitments.accept(CommitmentRequest("2.25.1", "CT1", references))
    due = node.commitments.take("CT1")
    assert due is not None
    for _ in range(node.commitments.backoff.attempts):
        node.commitments.postponed(due, "no peer of this AE title")

    (found,) = json.loads(radir("commitments", "--json").stdout)
    shown = radir("commitments").stdout
    radir("commitments", "retry", "--all")

    assert ("CT1", 2, "dead") == (found["calling_ae_title"], found["instances"], found["state"])
    assert "2 instances" in shown
    assert node.commitments.take("CT1") is not None
