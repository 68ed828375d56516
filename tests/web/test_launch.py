"""Ways in: launch URLs of viewers, the start page's search, and what they never give away."""

import pytest

UID = "2.25.90007"


@pytest.mark.parametrize(
    "url",
    [
        f"/launch?studyUID={UID}",
        f"/launch?StudyInstanceUID={UID}&series=2.25.1&src=ohif",
        f"/launch?study={UID}",
        f"/launch?study={UID}&study={UID}",
        f"/launch?study=2.25.404,{UID}",
        "/launch?accessionNumber=A-7",
        f"/IHEInvokeImageDisplay?requestType=STUDY&studyUID={UID}&viewerType=X&unheardOf=1",
        "/IHEInvokeImageDisplay?requestType=STUDY&accessionNumber=A-7",
    ],
)
def test_each_way_to_name_a_study_opens_its_page(reader, node, page_of, url: str) -> None:
    """UID under every alias, twice, in a list, or by accession: a redirect to the study's opaque page."""
    answer = reader.get(url)

    assert answer.status_code == 303
    assert answer.headers["location"] == page_of(node.cards[7])


def test_a_launch_without_session_reaches_the_study_after_login(client, log_in, node, page_of) -> None:
    """The target waits on the server: neither the redirect nor a cookie holds the UID."""
    answer = client.get(f"/launch?studyUID={UID}")

    assert answer.headers["location"] == "/login"
    assert UID not in str(answer.headers)
    assert log_in(client) == page_of(node.cards[7])


def test_a_page_asked_for_without_session_is_reached_after_login(client, log_in, node, page_of) -> None:
    """A bookmark of a ranking comes back with its anatomy and filters."""
    target = f"{page_of(node.cards[7])}?anatomy=heart&sex=F"

    assert client.get(target).headers["location"] == "/login"
    assert log_in(client) == target


def test_an_unknown_study_is_a_clear_404(reader) -> None:
    """One line says what to do, and the identifier is not repeated."""
    answer = reader.get("/launch?studyUID=2.25.404")

    assert answer.status_code == 404
    assert "has not received that study" in answer.text
    assert "2.25.404" not in answer.text


@pytest.mark.parametrize("url", ["/launch", "/launch?studyUID=", "/launch?studyUID=%3Cscript%3E"])
def test_a_launch_that_names_no_study_says_so(reader, url: str) -> None:
    """Nothing, emptiness and something that is no UID are told apart from an unknown study."""
    answer = reader.get(url)

    assert answer.status_code == 400
    assert "names no study" in answer.text


def test_only_study_requests_of_the_ihe_profile_are_taken(reader) -> None:
    """requestType=PATIENT is refused with a line, not answered with something else."""
    assert reader.get("/IHEInvokeImageDisplay?requestType=PATIENT&patientID=1").status_code == 400


@pytest.mark.parametrize("typed", [UID, " A-7 "])
def test_the_search_box_finds_by_uid_and_by_accession(reader, post, node, page_of, typed: str) -> None:
    """What was typed travels in the body."""
    answer = post(reader, "/find", identifier=typed)

    assert answer.headers["location"] == page_of(node.cards[7])


def test_the_search_box_says_when_nothing_is_found(reader, post) -> None:
    """The start page comes back with the line."""
    answer = post(reader, "/find", identifier="B-1")

    assert answer.status_code == 404
    assert "has not received that study" in answer.text


def test_no_page_holds_a_study_uid(reader, node, page_of) -> None:
    """Start page, ranking and comparison name studies by pseudonym only."""
    study = page_of(node.cards[7])
    first = reader.get("/api/similar", params={"study": UID}).json()["matches"][0]["case_id"]
    case = next(card for card in node.cards if card.case_id == first)
    pages = ["/", study, f"{study}/compare/{page_of(case).removeprefix('/s/')}"]

    answers = [reader.get(path) for path in pages]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert all("2.25." not in answer.text for answer in answers)
