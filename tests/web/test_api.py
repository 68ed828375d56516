"""What programs ask: similar cases for viewers, readiness and metrics for monitoring."""

from dataclasses import replace

from radir_node.errors import DatabaseDown


def test_a_viewer_gets_the_ranking_as_json(reader, node) -> None:
    """Ranks and pseudonyms, for one anatomy."""
    answer = reader.get("/api/similar", params={"studyUID": "2.25.90003", "anatomy": "heart", "k": "3"}).json()

    assert answer["anatomy"] == "heart"
    assert [match["rank"] for match in answer["matches"]] == [1, 2, 3]
    assert {match["case_id"] for match in answer["matches"]} <= {card.case_id for card in node.cards}


def test_only_an_administrator_learns_which_studies_the_cases_are(client, log_in, node) -> None:
    """A viewer's answer holds no UID of another patient's study; an administrator's has one for each match."""
    question = {"studyUID": "2.25.90003"}
    log_in(client, "reader")
    viewed = client.get("/api/similar", params=question)
    client.cookies.clear()
    log_in(client, "keeper")
    administered = client.get("/api/similar", params=question).json()["matches"]

    assert 5 == len(viewed.json()["matches"])
    assert "2.25." not in viewed.text
    case_ids = {card.study_instance_uid: card.case_id for card in node.cards}
    assert [match["case_id"] for match in administered] == [case_ids[m["study_instance_uid"]] for m in administered]


def test_an_age_in_the_json_is_the_text_that_the_pages_show(reader, node, page_of) -> None:
    """Completed years, and above 89 only that: no surface tells more than another."""
    node.cards = [replace(card, age_years=93.4) for card in node.cards[:3]]

    answer = reader.get("/api/similar", params={"studyUID": "2.25.90001"})

    assert ["90+", "90+"] == [match["age"] for match in answer.json()["matches"]]
    assert "93.4" not in answer.text
    assert reader.get(page_of(node.cards[1])).text.count("90+ y") == 3


def test_the_json_interface_answers_failures_as_json(client, reader) -> None:
    """Unknown study, wrong k: one line each, with the status."""
    unknown = reader.get("/api/similar", params={"study": "2.25.404"})
    wrong = reader.get("/api/similar", params={"study": "2.25.90003", "k": "0"})

    assert (unknown.status_code, wrong.status_code) == (404, 400)
    assert wrong.json() == {"error": "k must be a whole number from 1 to 100"}


def test_the_json_interface_needs_a_session(client) -> None:
    """A program is told 401 instead of being sent to a page."""
    answer = client.get("/api/similar", params={"study": "2.25.90003"})

    assert answer.status_code == 401
    assert answer.json() == {"error": "log in first"}


def test_health_names_what_does_not_answer(client, node) -> None:
    """200 while all is well; 503 and the name of the culprit otherwise. No login, no cookie."""
    well = client.get("/-/health")
    node.checks["database"] = False
    ill = client.get("/-/health")

    assert (well.status_code, well.json()) == (200, {"ready": True, "checks": {"database": True, "storage": True}})
    assert (ill.status_code, ill.json()["checks"]) == (503, {"database": False, "storage": True})
    assert "set-cookie" not in well.headers


def test_metrics_hold_the_health_and_no_identifier(reader, node, page_of) -> None:
    """Gauges of the reading, requests by route template; neither UID nor pseudonym nor token."""
    reader.get(page_of(node.cards[3]))
    reader.get("/launch?studyUID=2.25.90003")

    text = reader.get("/metrics").text

    assert 'radir_studies{state="indexed"} 241.0' in text
    assert 'radir_index_probe_recall{modality="CXR"} 0.998' in text
    assert 'radir_web_request_seconds_count{method="GET",route="/s/{token}",status="200"} 1.0' in text
    assert "2.25." not in text
    assert "RADIR-" not in text
    assert page_of(node.cards[3]) not in text


def test_metrics_are_answered_while_the_database_is_down(client, node) -> None:
    """The scraper learns that the health is unknown."""
    node.fault = DatabaseDown("the catalogue does not answer")

    answer = client.get("/metrics")

    assert answer.status_code == 200
    assert "radir_health_up 0.0" in answer.text


def test_an_invented_method_makes_no_time_series(client) -> None:
    """A method that HTTP does not know is counted as "other": a client cannot fill the memory with labels."""
    client.request("CANARY", "/login")

    text = client.get("/metrics").text
    assert "CANARY" not in text
    assert 'method="other"' in text
