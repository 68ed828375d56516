"""The pages of one study."""

import re
from dataclasses import replace

import pytest

from radir_node.web.ports import MatchScale


def cases_in(html: str) -> list[str]:
    return re.findall(r'data-case="([^"]+)"', html)


def test_the_ranking_is_the_nodes_in_order(reader, node, page_of) -> None:
    """The page shows what the search answered, best first."""
    expected = reader.get("/api/similar", params={"study": "2.25.90003", "anatomy": "pleura"}).json()["matches"]

    answer = reader.get(page_of(node.cards[3]), params={"anatomy": "pleura"})

    assert cases_in(answer.text) == [match["case_id"] for match in expected]


def test_another_anatomy_changes_the_ranking(reader, node, page_of) -> None:
    """Overall and for the heart, different cases come first."""
    overall, heart = (
        cases_in(reader.get(page_of(node.cards[3]), params={"anatomy": anatomy}).text)
        for anatomy in ("overall", "heart")
    )

    assert len(overall) == len(heart) == 5
    assert overall != heart


def test_filters_reach_the_search(reader, node, page_of) -> None:
    """Sex and age within 10 years of the query's: every case that is shown satisfies both."""
    own = node.cards[3]
    answer = reader.get(page_of(own), params={"sex": "M", "age": "10", "k": "20"})
    shown = [card for card in node.cards if card.case_id in cases_in(answer.text)]

    assert shown
    assert all(card.sex == "M" and abs(card.age_years - own.age_years) <= 10 for card in shown)


def test_a_report_cannot_bring_markup_into_the_page(reader, node, page_of) -> None:
    """A sentence with a script is text, in the query's report, in the cases' and as a finding."""
    evil = "<script>alert('x')</script>"
    node.cards = [replace(card, findings=(evil,)) for card in node.cards]
    node.sentences = {card.study_instance_uid: (evil,) for card in node.cards}

    answer = reader.get(page_of(node.cards[3]))

    assert "<script>alert" not in answer.text
    assert answer.text.count("&lt;script&gt;alert") >= 12


def test_shared_findings_are_marked_in_words(reader, node, page_of) -> None:
    """Not by colour alone: the word is in the text."""
    node.cards = [replace(card, findings=("cardiomegaly",)) for card in node.cards]

    assert reader.get(page_of(node.cards[3])).text.count(">shared<") == 5


def test_a_best_score_below_the_scale_is_called_no_close_match(reader, node, page_of) -> None:
    """The list is still shown, under the banner."""
    node.scores = MatchScale(close_from=0.97, moderate_from=0.98, strong_from=0.99)

    answer = reader.get(page_of(node.cards[3]))

    assert "No close match." in answer.text
    assert len(cases_in(answer.text)) == 5


def test_filters_that_nothing_passes_are_said_to_be_the_reason(reader, node, page_of) -> None:
    """An empty list explains itself."""
    answer = reader.get(page_of(node.cards[3]), params={"sex": "O"})

    assert "No case passes these filters" in answer.text


@pytest.mark.parametrize(
    ("query", "status", "line"),
    [
        ("k=0", 400, "k must be a whole number from 1 to 100"),
        ("k=-1", 400, "k must be"),
        ("k=0000000000199", 400, "k must be"),
        ("k=²", 400, "k must be"),
        ("sex=Z", 400, "sex must be one of"),
        ("age=200", 400, "age must be"),
        ("from=99", 400, "from must be"),
        ("anatomy=wing", 404, "no anatomy is called"),
    ],
)
def test_a_choice_that_cannot_be_is_one_clear_line(reader, node, page_of, query: str, status: int, line: str) -> None:
    """Wrong parameters and unknown anatomies get their status and their line."""
    answer = reader.get(f"{page_of(node.cards[3])}?{query}")

    assert answer.status_code == status
    assert line in answer.text


def test_a_modality_with_nothing_else_indexed_is_said(reader, node, page_of) -> None:
    """One study alone has nothing to be compared with."""
    node.cards = node.cards[:1]

    answer = reader.get(page_of(node.cards[0]))

    assert answer.status_code == 409
    assert "no other CXR study is indexed" in answer.text


def test_a_study_on_its_way_shows_its_state_and_looks_again(reader, node, page_of) -> None:
    """The page refreshes itself until the study is searchable."""
    answer = reader.get(page_of(node.cards[20]))

    assert "being encoded" in answer.text
    assert 'http-equiv="refresh"' in answer.text


def test_a_study_that_cannot_be_indexed_shows_why(reader, node, page_of) -> None:
    """The reason is the page; nothing refreshes."""
    answer = reader.get(page_of(node.cards[21]))

    assert "no frontal view among 2 radiographs" in answer.text
    assert 'http-equiv="refresh"' not in answer.text


def test_a_token_that_is_not_ours_names_nothing(reader, node, page_of) -> None:
    """A pseudonym without signature, or with another study's, opens no page."""
    signature = page_of(node.cards[3]).rsplit(".", 1)[1]
    other = page_of(node.cards[4]).rsplit(".", 1)[0]

    assert reader.get(f"/s/{node.cards[3].case_id}").status_code == 404
    assert reader.get(f"{other}.{signature}").status_code == 404


def test_a_case_is_shown_beside_the_query_with_both_reports(reader, node, page_of) -> None:
    """Compare view: two images, the sentences of both."""
    own = node.cards[3]
    case_id = cases_in(reader.get(page_of(own)).text)[1]
    case = next(card for card in node.cards if card.case_id == case_id)

    answer = reader.get(f"{page_of(own)}/compare/{page_of(case).removeprefix('/s/')}")

    assert "Case 2 of 5" in answer.text
    assert answer.text.count("data-viewport") == 2
    for sentence in node.sentences[own.study_instance_uid] + node.sentences[case.study_instance_uid]:
        assert sentence in answer.text


def test_a_case_outside_the_ranking_is_not_compared(reader, node, page_of) -> None:
    """The compare view opens only what the search allowed."""
    own = node.cards[3]
    shown = cases_in(reader.get(page_of(own)).text)
    outside = next(card for card in node.cards[:20] if card.case_id not in shown and card is not own)

    answer = reader.get(f"{page_of(own)}/compare/{page_of(outside).removeprefix('/s/')}")

    assert answer.status_code == 404


def test_the_key_image_is_a_png_and_its_absence_a_drawing(reader, node, page_of) -> None:
    """A study without a preview shows that it has none."""
    picture = reader.get(f"{page_of(node.cards[3])}/image")
    none = reader.get(f"{page_of(node.cards[20])}/image")

    assert picture.content.startswith(b"\x89PNG")
    assert picture.headers["cache-control"] == "private, max-age=600"
    assert none.headers["content-type"] == "image/svg+xml"


def test_the_structured_report_is_downloaded_for_the_chosen_anatomy(reader, node, page_of) -> None:
    """The file is the node's, named after the pseudonym."""
    answer = reader.get(f"{page_of(node.cards[3])}/sr", params={"anatomy": "heart"})

    assert answer.headers["content-type"] == "application/dicom"
    assert answer.headers["content-disposition"] == f'attachment; filename="similar-cases-{node.cards[3].case_id}.dcm"'
    assert answer.content[128:] == b"DICMheart"


def test_the_node_is_told_who_sees_the_cases(client, log_in, node, page_of) -> None:
    """Results, compare view, report and JSON: each answer is asked for in the name of the one logged in."""
    own = node.cards[3]
    log_in(client, "keeper")
    first = cases_in(client.get(page_of(own)).text)[0]
    case = next(card for card in node.cards if card.case_id == first)
    client.get(f"{page_of(own)}/compare/{page_of(case).removeprefix('/s/')}")
    client.get(f"{page_of(own)}/sr")
    client.get("/api/similar", params={"studyUID": own.study_instance_uid})

    assert ["keeper"] * 4 == node.seen_by


@pytest.mark.parametrize("part", ["", "/image", "/sr", "/compare/x"])
def test_nothing_of_a_study_is_shown_without_a_session(client, node, page_of, part: str) -> None:
    """Every page below /s/ needs a login."""
    assert client.get(page_of(node.cards[3]) + part).headers["location"] == "/login"
