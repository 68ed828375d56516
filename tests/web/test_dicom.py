"""The DICOM page: who sees it, what it says of peers, studies and debts, and what its buttons do."""

import datetime as dt
import re
from dataclasses import replace

import pytest

from radir_node.domain.study import Completion
from radir_node.web.dicom_state import Debts, Spool
from radir_node.web.dicom_tiles import dicom_tiles
from radir_node.web.tiles import Level

PAGE = "/admin/dicom"


def test_the_page_shows_peers_studies_debts_refusals_and_deadlines(keeper) -> None:
    """Everything that an administrator asks about the exchange, with reasons."""
    text = keeper.get(PAGE).text

    for part in (
        "10.0.0.7:2762 (TLS)",
        "archive.example:2762",
        "verify_with, retrieve_from",
        "Other AE titles may echo, store",
        "169 more at the PACS",
        "the modality still works on it",
        "1 announced instance<",
        "count at the PACS",
        "C-STORE status 0x0122",
        "next try in 60 s",
        "480 instances",
        "calling AE title not recognized",
        "An association on which no request arrives",
        "answered in 12 ms",
        "91 %",
    ):
        assert part in text


def test_the_page_names_no_study_but_by_pseudonym(keeper, node) -> None:
    """No Study Instance UID is in it."""
    assert not re.search(r"\b[12]\.\d+\.\d{3}", keeper.get(PAGE).text.replace("10.0.0.", ""))


@pytest.mark.parametrize("path", ["", "/echo", "/complete", "/reopen", "/deliveries/retry", "/reports/retry"])
def test_page_and_buttons_are_for_administrators(reader, post, node, path: str) -> None:
    """A viewer has no link, and is refused whatever he sends."""
    answer = post(reader, PAGE + path, peer="pacs", case_id="RADIR-0DDBA115") if path else reader.get(PAGE)

    assert 403 == answer.status_code
    assert [] == node.deeds
    assert PAGE not in reader.get("/").text


@pytest.mark.parametrize("path", ["/echo", "/complete", "/reopen", "/deliveries/retry", "/reports/retry"])
def test_a_form_of_another_site_does_nothing(keeper, node, path: str) -> None:
    """Each button carries the token of the session."""
    answer = keeper.post(PAGE + path, data={"peer": "pacs", "case_id": "RADIR-0DDBA115", "token": "guessed"})

    assert 403 == answer.status_code
    assert [] == node.deeds


def test_a_peer_that_answers_shows_its_time_until_the_next_test(keeper, post, node) -> None:
    """The result stays in its row when the page renews itself."""
    answer = post(keeper, f"{PAGE}/echo", peer="pacs")

    assert (303, PAGE) == (answer.status_code, answer.headers["location"])
    assert "12 ms" in keeper.get(PAGE).text
    assert "12 ms" in keeper.get(PAGE).text
    assert [("echo", "pacs", "keeper")] == node.deeds


def test_a_peer_that_is_away_shows_why(keeper, post) -> None:
    """The one line of the failure, in its row."""
    post(keeper, f"{PAGE}/echo", peer="archive")

    status = re.findall(r'<td role="status">(.*?)</td>', keeper.get(PAGE).text, re.DOTALL)
    assert ["ARCHIVE at archive.example:2762 does not answer" in one for one in status] == [True, False, False]


def test_only_peers_of_the_configuration_are_called(keeper, post, node) -> None:
    """The page is no way to reach other hosts."""
    answer = post(keeper, f"{PAGE}/echo", peer="10.0.0.99")

    assert 400 == answer.status_code
    assert [] == node.deeds


@pytest.mark.parametrize(
    ("path", "fields", "deed", "said"),
    [
        ("complete", {"case_id": "RADIR-0DDBA115"}, ("complete", "RADIR-0DDBA115"), "is queued for the index"),
        ("reopen", {"case_id": "RADIR-F1A5C001"}, ("reopen", "RADIR-F1A5C001"), "is open again"),
        ("deliveries/retry", {"number": "7"}, ("retry deliveries", [7]), "1 deliveries are tried again"),
        ("deliveries/retry", {}, ("retry deliveries", None), "2 deliveries are tried again"),
        ("reports/retry", {"number": "3"}, ("retry reports", [3]), "None of these reports was given up any more"),
    ],
)
def test_a_button_does_one_thing_and_says_so_once(keeper, post, node, path, fields, deed, said: str) -> None:
    """In the name of who pressed it."""
    answer = post(keeper, f"{PAGE}/{path}", **fields)
    first, second = keeper.get(PAGE).text, keeper.get(PAGE).text

    assert (303, PAGE) == (answer.status_code, answer.headers["location"])
    assert [(*deed, "keeper")] == node.deeds
    assert (True, False) == (said in first, said in second)


def test_a_study_that_settled_meanwhile_is_a_line_on_the_page(keeper, post, node) -> None:
    """What the page showed may be old when the button is pressed."""
    post(keeper, f"{PAGE}/complete", case_id="RADIR-F1A5C001")

    assert "the study is not open" in keeper.get(PAGE).text
    assert [] == node.deeds


def test_a_button_pressed_after_the_session_leads_back_by_the_login(client, log_in) -> None:
    """To a page, not to the address of the form."""
    client.get("/login")
    token = re.search(r'name="token" value="([^"]+)"', client.get("/login").text)
    assert token is not None
    away = client.post(f"{PAGE}/echo", data={"peer": "pacs", "token": token.group(1)})

    assert (303, "/login") == (away.status_code, away.headers["location"])
    assert "/" == log_in(client, "keeper")


def test_an_empty_exchange_has_a_page_too(keeper, node) -> None:
    """Before the first peer and the first study nothing is wrong."""
    node.dicom_reading = type(node.dicom_reading)(node.dicom_reading.checked_at, node.dicom_reading.service)

    answer = keeper.get(PAGE)

    assert 200 == answer.status_code
    assert "No peer is configured" in answer.text
    assert {Level.OK, Level.UNKNOWN} == {tile.level for tile in dicom_tiles(node.dicom_reading)}


@pytest.mark.parametrize(
    ("title", "change", "level"),
    [
        ("Not registered", lambda s: replace(s, spool=Spool(0, 0, None, 0)), Level.OK),
        ("Not registered", lambda s: replace(s, spool=Spool(5, 9, 16.0, 0)), Level.WATCH),
        ("Not registered", lambda s: replace(s, spool=Spool(5, 9, 121.0, 0)), Level.ACT),
        ("Quarantined", lambda s: replace(s, spool=Spool(0, 0, None, 1)), Level.ACT),
        ("Open studies", lambda s: s, Level.OK),
        ("Open studies", lambda s: replace(s, checked_at=s.checked_at + dt.timedelta(minutes=7)), Level.WATCH),
        ("Verified complete", lambda s: replace(s, completions={Completion.UNVERIFIED: 0}), Level.UNKNOWN),
        ("Deliveries", lambda s: s, Level.ACT),
        ("Deliveries", lambda s: replace(s, deliveries=replace(s.deliveries, dead=0)), Level.WATCH),
        ("Deliveries", lambda s: replace(s, deliveries=Debts()), Level.OK),
        ("Commitment reports", lambda s: s, Level.OK),
        ("Commitment reports", lambda s: replace(s, reports=Debts(dead=1)), Level.ACT),
    ],
)
def test_a_tile_asks_for_action_beyond_its_limit(node, title: str, change, level: Level) -> None:
    """Objects that wait too long, what was set aside or given up cannot look well."""
    tile = next(tile for tile in dicom_tiles(change(node.dicom_reading)) if tile.title == title)

    assert tile.level == level
    assert tile.cure or level == Level.OK


def test_metrics_count_spool_debts_and_completions(client) -> None:
    """Gauges for alarms: what waits, what was given up, how studies are known to be complete."""
    text = client.get("/metrics").text

    for line in (
        "radir_spool_objects 3.0",
        "radir_quarantined_objects 0.0",
        'radir_deliveries{state="dead"} 2.0',
        'radir_commitment_reports{state="waiting"} 1.0',
        'radir_studies_by_completion{completion="open"} 4.0',
        'radir_studies_by_completion{completion="unverified"} 20.0',
    ):
        assert line in text


def test_results_say_which_studies_are_unverified(reader, node, page_of) -> None:
    """Query and cases alike, with a tooltip; a verified study carries no label."""
    unverified, verified = node.cards[3], node.cards[4]
    label = 'title="Nothing more arrived for a while'

    def head(card) -> str:
        return reader.get(page_of(card)).text.split('class="anatomy"')[0]

    _, *cases = reader.get(page_of(verified), params={"k": "20"}).text.split('<li class="case"')
    doubted = {re.search(r"RADIR-\w+", case).group() for case in cases if label in case}

    assert (True, False) == (label in head(unverified), label in head(verified))
    assert doubted == {card.case_id for card in node.cards[:20] if card.completion is Completion.UNVERIFIED}
