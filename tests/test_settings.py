import os
import tomllib
from pathlib import Path

import pytest

from radir_node.errors import InvalidSetting
from radir_node.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell that runs the tests may hold settings of its own."""
    for name in [n for n in os.environ if n.startswith("RADIR_")]:
        monkeypatch.delenv(name)


def test_the_shipped_file_lists_every_key_at_its_default(repository: Path) -> None:
    """Whoever reads conf/radir.toml reads what the code does."""
    stated = tomllib.loads((repository / "conf" / "radir.toml").read_text())

    assert Settings().model_dump(mode="json") == stated


def test_the_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RADIR_<SECTION>__<KEY> beats the file, the file beats the default."""
    file = tmp_path / "radir.toml"
    file.write_text('[dicom]\nport = 104\nae_title = "FILE"\n')
    monkeypatch.setenv("RADIR_CONFIG", str(file))
    monkeypatch.setenv("RADIR_DICOM__AE_TITLE", "ENV")

    dicom = load_settings().dicom

    assert (104, "ENV", 131072) == (dicom.port, dicom.ae_title, dicom.max_pdu)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[dicom]\nprot = 104\n", "dicom.prot"),
        ("[dicom]\nport = 99999\n", "dicom.port"),
        ('[dicom]\npush_to = "pacs"\n', "there is no peer 'pacs'"),
        ("[dicom\n", "configuration"),
    ],
)
def test_a_wrong_key_is_named_on_one_line(
    content: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing starts with a configuration that says something else than it means."""
    file = tmp_path / "radir.toml"
    file.write_text(content)
    monkeypatch.setenv("RADIR_CONFIG", str(file))

    with pytest.raises(InvalidSetting, match=message) as caught:
        load_settings()

    assert "\n" not in str(caught.value)
