"""Scoring an encoder on Open-i: by hand on four studies, and the shipped model on the held-out ones."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from radir_node.domain.embedding import DIMENSIONS, GLOBAL, Encoded, ModelVersion
from radir_node.domain.study import Modality
from radir_node.encoders.models import model_version, network_path
from radir_node.encoders.onnx import OnnxRuntime
from radir_node.encoders.radiograph import CxrEncoder
from radir_node.errors import UserError
from radir_node.learning import evaluate
from radir_node.learning.evaluate import evaluate_cxr_openi, table
from radir_node.learning.openi import Part, part_of

VERSION = ModelVersion("by_hand", Modality.CXR, "0" * 64, "cxr1", ("heart",))


class ByHand:
    """An encoder whose vectors are given per image."""

    version = VERSION

    def __init__(self, angles: dict[str, tuple[float, float]]) -> None:
        self._angles = angles

    def encode_batch(self, images):
        return [self._encoded(image.sop_instance_uid) for image in images]

    def _encoded(self, name: str) -> Encoded:
        pairs = zip((GLOBAL, "heart"), self._angles[name], strict=True)
        return Encoded(
            name,
            {key: np.eye(2, DIMENSIONS, dtype=np.float32).T @ np.float32([np.cos(a), np.sin(a)]) for key, a in pairs},
        )


def write_collection(folder, chains: dict[str, list[str]]) -> None:
    (folder / "openi").mkdir()
    pixels = np.random.default_rng(0)
    for uid in chains:
        Image.fromarray(pixels.integers(0, 255, (64, 64), dtype=np.uint8)).save(folder / "openi" / f"{uid}.png")
    image_rows = [
        {"uid": uid, "file": f"{uid}.png", "projection": "Frontal", "orig_rows": "64", "orig_cols": "64"}
        for uid in chains
    ]
    tables = {
        "openi_images.csv": image_rows,
        "openi_mesh_gold.csv": [{"uid": uid, "coding": chain} for uid, several in chains.items() for chain in several],
        "openi_gld_std14.csv": [{"filename": f"CXR{uid}", "uid": uid, "normal": "0"} for uid in chains],
    }
    for name, rows in tables.items():
        with (folder / "openi" / name).open("w", newline="", encoding="utf-8") as opened:
            writer = csv.DictWriter(opened, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


@pytest.fixture
def four_studies(tmp_path):
    """Two hearts, one effusion, one normal, all held out; returns the folder and their uids."""
    uids = [str(uid) for uid in range(1, 200) if part_of(str(uid)) is Part.HELD_OUT][:4]
    chains = [["Cardiomegaly/mild"], ["Cardiomegaly/severe"], ["Pleural Effusion/left"], ["normal"]]
    write_collection(tmp_path, dict(zip(uids, chains, strict=True)))
    return tmp_path, uids


def test_scores_by_hand(four_studies, monkeypatch):
    """With one neighbour each: the hearts share Cardiomegaly of three beginnings, so 1/3 when they find one another."""
    folder, uids = four_studies
    monkeypatch.setattr(evaluate, "TOP", 1)
    # Globally each heart is nearest to a study that is no heart; at the heart they are nearest to one another.
    angles = dict(zip(uids, [(0.0, 0.0), (2.0, 0.1), (0.1, 2.0), (2.1, 2.1)], strict=True))

    found = evaluate_cxr_openi(folder, ByHand(angles))

    assert (4, 3, 1) == (found.studies, found.abnormal.queries, found.normal.queries)
    assert found.abnormal.random == pytest.approx((2 / 3) / 3 / 3)
    assert found.abnormal.ideal == pytest.approx((2 / 3) / 3)
    assert found.abnormal.encoder == 0.0
    (heart,) = found.anatomies
    assert 2 == heart.queries
    assert (heart.random, heart.encoder_global) == (pytest.approx(1 / 9), 0.0)
    assert heart.conditioned == pytest.approx(1 / 3)
    assert found.abnormal_whole_chains.ideal == 0.0


def test_result_survives_json_and_prints(four_studies):
    """The dict is plain JSON, and the table has a line per anatomy and one for their mean."""
    folder, uids = four_studies
    found = evaluate_cxr_openi(folder, ByHand({uid: (float(i), float(i)) for i, uid in enumerate(uids)}))

    assert found.as_dict()["macro"] == json.loads(json.dumps(found.as_dict()))["macro"]
    assert ["heart", "macro"] == [line.split()[0] for line in table(found).splitlines()[-2:]]


def test_part_without_studies_is_refused(tmp_path):
    """Nothing is scored where no study is held out."""
    uid = next(str(uid) for uid in range(1, 200) if part_of(str(uid)) is Part.TRAIN)
    write_collection(tmp_path, {uid: ["normal"]})

    with pytest.raises(UserError, match="nothing to rank"):
        evaluate_cxr_openi(tmp_path, ByHand({}))


@pytest.mark.requirement("RN-12")
def test_shipped_model_finds_similar_held_out_studies(shared_data, repository):
    """Abnormal queries: 2 x random and 1.4 x pixels; anatomy-conditioned vectors beat the global one on average."""
    folder = repository / "triton_models" / "cxr_starter"
    encoder = CxrEncoder(OnnxRuntime(network_path(folder), threads=2), model_version(folder))

    found = evaluate_cxr_openi(shared_data, encoder)

    assert found.abnormal.encoder >= 2.0 * found.abnormal.random
    assert found.abnormal.encoder >= 1.4 * found.abnormal.pixel32
    assert found.macro().conditioned > found.macro().encoder_global
