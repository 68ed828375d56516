"""The peers themselves: what the other acceptance tests rely on, shown without the node."""

from pathlib import Path

import pytest


@pytest.fixture
def film(phantoms: Path) -> Path:
    return sorted(path for path in phantoms.rglob("*") if path.is_file())[0]


def test_orthanc_keeps_what_it_was_given(orthanc, film) -> None:
    """An uploaded file is found by its study and read back byte for byte."""
    (study,) = orthanc.upload(film)
    uid = orthanc.client.get_studies_id(study)["MainDicomTags"]["StudyInstanceUID"]

    (held,) = orthanc.sop_instances(uid)

    assert orthanc.file(held) == film.read_bytes()
    assert orthanc.sop_instances(uid, "PET") == []


def test_orthanc_routes_to_storescp(orthanc, destination, film) -> None:
    """Orthanc knows a peer entered over REST, and routes a study to it."""
    orthanc.know("destination", destination.ae_title, destination.port)

    (study,) = orthanc.upload(film)
    assert orthanc.echo("destination")
    orthanc.route(study, "destination")

    assert len(destination.files()) == 1


def test_orthanc_tells_an_absent_peer(orthanc) -> None:
    """A peer that does not listen fails the echo."""
    orthanc.know("nobody", "NOBODY", 1)

    assert not orthanc.echo("nobody")
