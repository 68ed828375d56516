"""One visit in a real browser, against the pages served over HTTP."""

from dataclasses import replace

import pytest
from fastapi import FastAPI
from playwright.sync_api import expect


@pytest.mark.requirement("RN-11")
def test_a_radiologist_goes_from_the_viewer_to_index_health(serve, visit, app: FastAPI, node) -> None:
    """Launch, login, results, another anatomy with another ranking, compare, index health: nothing leaves the host."""
    study_uid = node.cards[3].study_instance_uid
    errors: list[str] = []
    visit.page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    visit.page.on("pageerror", lambda error: errors.append(str(error)))
    visit.begin(serve(app))

    visit.launch(study_uid)
    visit.shot("1-login")
    visit.log_in("keeper", "keeper's password")
    overall = visit.ranking()
    visit.shot("2-results")
    addresses = [visit.page.url]
    visit.choose_anatomy("lower_lobe:right")
    right_lower_lobe = visit.ranking()
    visit.shot("3-anatomy")
    addresses.append(visit.page.url)
    visit.press("2", then=".compare")
    visit.shot("4-compare")
    addresses.append(visit.page.url)
    visit.press("ArrowRight", then='.steps [aria-current]:text("3")')
    visit.press("Escape", then=".results")
    tiles = visit.index_health()
    visit.shot("5-index-health")

    assert len(overall) == 5
    assert overall != right_lower_lobe
    assert "Recall at 10" in tiles
    assert all(study_uid not in address for address in addresses)
    assert visit.left_host == []
    assert errors == []


def test_a_changed_filter_ranks_again_without_a_button(serve, visit, app: FastAPI, node) -> None:
    """Choosing a sex in the filter bar shows only cases of that sex; the chosen anatomy stays."""
    visit.begin(serve(app))
    visit.launch(node.cards[3].study_instance_uid)
    visit.log_in("reader", "reader's password")
    visit.choose_anatomy("heart")

    visit.page.get_by_label("Sex").select_option("F")
    visit.page.wait_for_url("**sex=F**")

    expect(visit.page.locator(".case .facts span:first-child")).to_have_text(["female"] * 5)
    assert "anatomy=heart" in visit.page.url


def test_an_administrator_tests_peers_and_completes_a_study(serve, visit, app: FastAPI, node) -> None:
    """The results appear where the buttons are, without leaving the page; nothing leaves the host."""
    errors: list[str] = []
    visit.page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    visit.page.on("pageerror", lambda error: errors.append(str(error)))
    visit.begin(serve(app))
    visit.page.goto(f"{visit.origin}/admin")
    visit.log_in("keeper", "keeper's password")

    tiles = visit.dicom()
    well = visit.test_peer("pacs")
    ill = visit.test_peer("archive")
    row = visit.page.get_by_role("row", name="RADIR-0DDBA115")
    row.get_by_role("button", name="Complete now").click()
    expect(visit.page.locator(".notice")).to_have_text("RADIR-0DDBA115 is queued for the index as it is.")
    visit.shot("6-dicom")
    visit.page.set_viewport_size({"width": 820, "height": 850})
    visit.shot("7-dicom-narrow")

    assert "Not registered" in tiles
    assert ("12 ms", "ARCHIVE at archive.example:2762 does not answer") == (well, ill)
    assert ("complete", "RADIR-0DDBA115", "keeper") == node.deeds[-1]
    assert f"{visit.origin}/admin/dicom" == visit.page.url
    assert [] == visit.left_host
    assert [] == errors


def test_an_administrator_tries_messages_again_and_discards_one(serve, visit, app: FastAPI, node) -> None:
    """By keyboard alone; the outcome is on the page, and nothing is discarded before it was confirmed."""
    errors: list[str] = []
    visit.page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    visit.page.on("pageerror", lambda error: errors.append(str(error)))
    visit.begin(serve(app))
    visit.page.goto(f"{visit.origin}/admin")
    visit.log_in("keeper", "keeper's password")
    page, unreadable = visit.page, visit.page.get_by_role("region", name="Cannot be read")

    tiles = visit.reports()
    visit.shot("8-reports")
    page.get_by_role("button", name="Try all 5 again").press("Enter")
    expect(page.get_by_role("status")).to_have_text("5 tried again, 1 still cannot be read.")
    expect(unreadable.get_by_role("row")).to_have_count(2)
    page.get_by_role("link", name="Discard message 31").press("Enter")
    page.wait_for_url("**/discard?number=31")
    visit.shot("9-discard")
    before = list(node.deeds)
    page.get_by_role("link", name="Keep").press("Enter")
    page.get_by_role("link", name="Discard message 31").press("Enter")
    page.get_by_role("button", name="Discard for good").press("Enter")
    expect(page.get_by_role("status")).to_have_text("1 discarded.")
    expect(unreadable).to_contain_text("Every message could be read.")

    assert "Without images" in tiles
    assert [("replay", None, "keeper")] == before
    assert ("discard", [31], "keeper") == node.deeds[-1]
    assert f"{visit.origin}/admin/reports" == page.url
    assert [] == visit.left_host
    assert [] == errors


def test_the_report_page_renews_itself_and_fits_a_narrow_window(serve, visit, app: FastAPI, node) -> None:
    """What was focused stays focused; 400 pixels wide nothing has to be scrolled sideways, whatever is preferred."""
    visit.begin(serve(app))
    visit.page.clock.install()
    visit.page.goto(f"{visit.origin}/admin/reports")
    visit.log_in("keeper", "keeper's password")
    visit.page.get_by_role("link", name="Discard message 31").focus()
    node.reports_reading = replace(node.reports(), listening="", troubled=node.reports().troubled[:1])
    visit.page.clock.run_for(10_000)
    expect(visit.page.get_by_text("The HL7 service does not run.")).to_be_visible()
    focused = visit.page.evaluate("document.activeElement.id")
    visit.page.set_viewport_size({"width": 400, "height": 850})
    wider = []
    for scheme in ("light", "dark"):
        visit.page.emulate_media(color_scheme=scheme)
        wider.append(
            visit.page.evaluate(
                "[...document.querySelectorAll('html, .panel')].some(e => e.scrollWidth > e.clientWidth)"
            )
        )
        visit.shot(f"10-reports-narrow-{scheme}")

    assert "discard-31" == focused
    assert [False, False] == wider
