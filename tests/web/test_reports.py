"""The page of the report channels: who sees it, what it says of messages in trouble, and what its buttons do."""

import re
from dataclasses import replace

import pytest

from radir_node.web.report_state import ReportState
from radir_node.web.report_tiles import report_tiles
from radir_node.web.reports import replayed
from radir_node.web.tiles import Level

PAGE = "/admin/reports"


def test_the_page_shows_channels_messages_in_trouble_and_what_became_of_the_others(keeper) -> None:
    """Everything that an administrator asks about reports, with reasons."""
    text = keeper.get(PAGE).text

    for part in (
        "10.0.0.7:2575 (TLS)",
        "clinic, ris",
        "oldest waits 3 s",
        "no OBX segment with text",
        "30 h ago",
        "the patient ids disagree",
        "corrected",
        "1204",
        "97 %",
        "36 in another language, 120 to be read again",
        "to be read again by the parser en-7",
        "PUT /api/reports/",
        "radir user add NAME --role sender",
    ):
        assert part in text


def test_each_message_is_in_the_list_of_its_trouble(keeper) -> None:
    """Unreadable, of another patient, waiting for images: three lists with their counts."""
    html = keeper.get(PAGE).text

    found = {
        title: re.findall(r'<th scope="row" class="number">(\d+)', region)
        for title, region in re.findall(r'<section class="panel" aria-label="([^"]+)">(.*?)</section>', html, re.DOTALL)
    }
    assert ["31", "12"] == found["Cannot be read"]
    assert ["44"] == found["Of another patient"]
    assert ["57", "56"] == found["Waiting for their images"]


@pytest.mark.parametrize("path", ["", "/discard?number=31"])
def test_the_pages_are_for_administrators(reader, path: str) -> None:
    """A viewer has no link, and is refused."""
    assert 403 == reader.get(PAGE + path).status_code
    assert PAGE not in reader.get("/").text


@pytest.mark.parametrize("path", ["/replay", "/discard"])
def test_the_buttons_are_for_administrators(reader, post, node, path: str) -> None:
    """A viewer is refused whatever he sends."""
    assert 403 == post(reader, PAGE + path, number="31").status_code
    assert [] == node.deeds


@pytest.mark.parametrize("path", ["/replay", "/discard"])
def test_a_form_of_another_site_does_nothing(keeper, node, path: str) -> None:
    """Each button carries the token of the session."""
    assert 403 == keeper.post(PAGE + path, data={"number": "31", "token": "guessed"}).status_code
    assert [] == node.deeds


@pytest.mark.parametrize(("path", "status"), [("/replay?number=31", 405), ("/discard?number=31", 200)])
def test_a_link_changes_nothing(keeper, node, path: str, status: int) -> None:
    """A GET shows or refuses; only a form acts."""
    before = node.reports()

    assert status == keeper.get(PAGE + path).status_code
    assert [] == node.deeds
    assert before == node.reports()


@pytest.mark.parametrize(
    ("path", "fields", "deed", "line"),
    [
        ("replay", {"number": "12"}, ("replay", [12]), "1 tried again."),
        ("replay", {"number": "31"}, ("replay", [31]), "1 tried again, 1 still cannot be read."),
        ("replay", {"number": ["57", "56"]}, ("replay", [57, 56]), "2 tried again."),
        ("replay", {}, ("replay", None), "5 tried again, 1 still cannot be read."),
        ("discard", {"number": ["31", "44"]}, ("discard", [31, 44]), "2 discarded."),
        ("discard", {"number": "999"}, ("discard", [999]), "None of these messages was in trouble any more."),
    ],
)
def test_a_button_does_one_thing_and_says_so_once(keeper, post, node, path, fields, deed, line: str) -> None:
    """In the name of who pressed it."""
    answer = post(keeper, f"{PAGE}/{path}", **fields)
    first, second = keeper.get(PAGE).text, keeper.get(PAGE).text

    assert (303, PAGE) == (answer.status_code, answer.headers["location"])
    assert [(*deed, "keeper")] == node.deeds
    assert (True, False) == (f"<span>{line}</span>" in first, f"<span>{line}</span>" in second)


def test_what_came_of_trying_again_is_one_line() -> None:
    """Also when nothing was in trouble any more."""
    assert "3 tried again, 1 still cannot be read." == replayed(3, 2)
    assert "3 tried again." == replayed(3, 3)
    assert "No message is in trouble any more." == replayed(0, 0)


def test_discarding_is_asked_about_on_a_page_of_its_own(keeper) -> None:
    """It names the messages, says that it is for good, and warns of those that only wait for their images."""
    one = keeper.get(f"{PAGE}/discard", params={"number": "31"}).text
    more = keeper.get(f"{PAGE}/discard", params={"number": ["31", "57"]}).text

    assert "Discard this message?" in one
    assert "removed for good" in one
    assert "only wait" not in one
    assert "Discard these 2 messages?" in more
    assert "1 of them can be read and only waits for its images." in more
    assert ["31", "57"] == re.findall(r'name="number" value="(\d+)"', more)


def test_nobody_is_asked_about_messages_that_are_not_in_trouble(keeper) -> None:
    """The list may be old when the button is pressed."""
    answer = keeper.get(f"{PAGE}/discard", params={"number": "999"})

    assert 400 == answer.status_code
    assert "None of these messages is in trouble any more." in answer.text


@pytest.mark.parametrize("number", ["x", "1.5", ""])
def test_a_number_that_is_none_is_refused(keeper, post, node, number: str) -> None:
    """One line, and nothing is done."""
    assert 400 == keeper.get(f"{PAGE}/discard", params={"number": number}).status_code
    assert 400 == post(keeper, f"{PAGE}/discard", number=number).status_code
    assert [] == node.deeds


def test_a_long_list_says_that_it_is_cut(keeper, node) -> None:
    """The counts are of all messages, the buttons of those that are shown."""
    node.reports_reading = replace(
        node.reports(), messages={"dead": 140, "pending": 9}, troubled=node.reports().troubled[:2]
    )

    text = keeper.get(PAGE).text

    assert "2 of 140 listed." in text
    assert "None of 9 listed." in text
    assert "Try all 149 again" in text
    assert "Discard these 2" in text


def test_channels_without_a_message_have_a_page_too(keeper, node) -> None:
    """Before the first report nothing is wrong, and the page says how one can come."""
    node.reports_reading = ReportState("", (), {}, None, 0, 0, 0, "en-7", ())

    text = keeper.get(PAGE).text

    for part in (
        "The HL7 service does not run.",
        "start radir hl7 where reports come by HL7",
        "nobody yet: name a sender in reports.sources",
        "Every message could be read.",
        "No report waits for its images.",
    ):
        assert part in text
    assert "again</button>" not in text
    assert {Level.OK, Level.UNKNOWN} == {tile.level for tile in report_tiles(node.reports())}


@pytest.mark.parametrize(
    ("title", "change", "level"),
    [
        ("HL7 service", {}, Level.OK),
        ("HL7 service", {"listening": ""}, Level.UNKNOWN),
        ("Waiting", {}, Level.OK),
        ("Waiting", {"oldest_waiting_seconds": None}, Level.OK),
        ("Waiting", {"oldest_waiting_seconds": 61.0}, Level.WATCH),
        ("Waiting", {"oldest_waiting_seconds": 301.0}, Level.ACT),
        ("Cannot be read", {}, Level.ACT),
        ("Cannot be read", {"messages": {}}, Level.OK),
        ("Other patient", {}, Level.ACT),
        ("Other patient", {"messages": {}}, Level.OK),
        ("Without images", {}, Level.OK),
        ("Parsed", {}, Level.WATCH),
        ("Parsed", {"not_parsed": 0}, Level.WATCH),
        ("Parsed", {"outdated": 0}, Level.OK),  # a site may well have reports in another language for ever
        ("Parsed", {"reports": 0}, Level.UNKNOWN),
    ],
)
def test_a_tile_asks_for_action_beyond_its_limit(node, title: str, change: dict[str, object], level: Level) -> None:
    """Messages that nobody can read, of another patient, or that wait too long cannot look well."""
    tile = next(tile for tile in report_tiles(replace(node.reports(), **change)) if tile.title == title)

    assert tile.level == level
    assert tile.cure or level == Level.OK


def test_metrics_count_messages_and_what_was_not_parsed(client) -> None:
    """Gauges for alarms: what waits, what is in trouble, whether HL7 can arrive."""
    text = client.get("/metrics").text

    for line in (
        "radir_hl7_listening 1.0",
        'radir_report_messages{state="waiting"} 2.0',
        'radir_report_messages{state="pending"} 2.0',
        'radir_report_messages{state="quarantined"} 1.0',
        'radir_report_messages{state="dead"} 2.0',
        "radir_report_messages_oldest_seconds 3.4",
        "radir_reports_not_parsed 36.0",
        "radir_reports_outdated 120.0",
    ):
        assert f"\n{line}\n" in text


def test_a_report_that_was_not_parsed_is_no_report_without_findings(reader, node, page_of) -> None:
    """Query, case, comparison, start page and JSON say so; nothing claims that the report is silent."""
    note = "Report not parsed: not in English"
    node.cards = [replace(card, report_note=note, findings=()) for card in node.cards[:2]]
    node.sentences = {}

    results = reader.get(page_of(node.cards[0])).text
    case = re.search(r'href="(/s/[^"]+/compare/[^"]+)"', results)
    assert case is not None
    compared = reader.get(case.group(1).replace("&amp;", "&")).text

    assert 2 == results.count(note) == compared.count(note)
    assert "speaks of this anatomy" not in results + compared
    assert 2 == reader.get("/").text.count(note)
    matches = reader.get("/api/similar", params={"studyUID": node.cards[0].study_instance_uid}).json()["matches"]
    assert [note] == [match["report_note"] for match in matches]


def test_findings_are_counted_with_those_that_could_not_be_read(reader, node, page_of) -> None:
    """A count among five cases says how many of them have a report that nobody parsed."""
    node.cards[5] = replace(node.cards[5], report_note="Report not parsed: not in English", findings=())
    node.cards = node.cards[:6]

    text = reader.get(page_of(node.cards[0])).text

    assert "not probabilities; 1 with a report that was not parsed." in text
