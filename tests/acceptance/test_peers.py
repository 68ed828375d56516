"""The peers themselves: what the other acceptance tests rely on, shown without the node."""

from pathlib import Path

import pytest


@pytest.fixture
def film(phantoms: Path) -> Path:
    return sorted(path for path in phantoms.rglob("*") if path.is_file())[0]


def test_orthanc_routes_to_storescp(orthanc, destination, film) -> None:
    """Orthanc stores a file, knows a peer entered over REST, and routes the study to it."""
    orthanc.know("destination", destination.ae_title, destination.port)

    (study,) = orthanc.upload(film)
    assert orthanc.echo("destination")
    orthanc.route(study, "destination")

    assert len(destination.files()) == 1


def test_orthanc_tells_an_absent_peer(orthanc) -> None:
    """A peer that does not listen fails the echo."""
    orthanc.know("nobody", "NOBODY", 1)

    assert not orthanc.echo("nobody")
