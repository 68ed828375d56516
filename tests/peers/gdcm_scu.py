"""One association of GDCM, as a client that receives its own C-MOVE. Called by conftest.py as a process of its own.

One JSON document on standard input, one on standard output (conftest.py, Scu). GDCM keeps statuses to itself: what it
was asked to do succeeded or did not.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import gdcm

Asked = dict[str, Any]
ROOTS = {"study": gdcm.eStudyRootType, "patient": gdcm.ePatientRootType}
LEVELS = {"PATIENT": gdcm.ePatient, "STUDY": gdcm.eStudy, "SERIES": gdcm.eSeries, "IMAGE": gdcm.eImage}
FIND = {
    "study": gdcm.UIDs.StudyRootQueryRetrieveInformationModelFIND,
    "patient": gdcm.UIDs.PatientRootQueryRetrieveInformationModelFIND,
}
MOVE = {
    "study": gdcm.UIDs.StudyRootQueryRetrieveInformationModelMOVE,
    "patient": gdcm.UIDs.PatientRootQueryRetrieveInformationModelMOVE,
}


def tag_of(keyword: str) -> gdcm.Tag:
    tag = gdcm.Tag()
    gdcm.Global.GetInstance().GetDicts().GetPublicDict().GetDictEntryByKeyword(keyword, tag)
    return tag


def identifier(asked: Asked, is_move: bool) -> gdcm.BaseRootQuery:
    dataset = gdcm.DataSet()
    for keyword, value in asked["keys"].items():
        element = gdcm.DataElement(tag_of(keyword))
        encoded = value.encode()
        element.SetByteStringValue(encoded + b" " * (len(encoded) % 2))
        dataset.Insert(element)
    root, level = ROOTS[asked["root"]], LEVELS[asked["keys"]["QueryRetrieveLevel"]]
    return gdcm.CompositeNetworkFunctions.ConstructQuery(root, level, dataset, is_move)


def associated(asked: Asked, generator: gdcm.PresentationContextGenerator) -> gdcm.ServiceClassUser | None:
    """Return a client with an association, None where it was refused."""
    scu = gdcm.ServiceClassUser()
    scu.SetHostname("127.0.0.1")
    scu.SetPort(asked["port"])
    scu.SetTimeout(30)
    scu.SetAETitle(asked["calling"])
    scu.SetCalledAETitle(asked["called"])
    if asked.get("listen"):
        scu.SetPortSCP(asked["listen"])
    if not scu.InitializeConnection():
        return None
    scu.SetPresentationContexts(generator.GetPresentationContexts())  # the line before would forget them
    return scu if scu.StartAssociation() else None


def proposing(sop_class_uid: int) -> gdcm.PresentationContextGenerator:
    generator = gdcm.PresentationContextGenerator()
    generator.GenerateFromUID(sop_class_uid)
    return generator


def texts(dataset: gdcm.DataSet, keywords: list[str]) -> dict[str, str]:
    """Return those attributes that the answer holds, without padding."""
    held = {}
    for keyword in keywords:
        tag = tag_of(keyword)
        if dataset.FindDataElement(tag):
            value = dataset.GetDataElement(tag).GetByteValue()
            held[keyword] = value.GetBuffer().rstrip(" \0") if value else ""
    return held


def echo(asked: Asked) -> Asked | None:
    scu = associated(asked, proposing(gdcm.UIDs.VerificationSOPClass))
    return scu and {"done": scu.SendEcho(), "released": scu.StopAssociation()}


def store(asked: Asked) -> Asked | None:
    generator = gdcm.PresentationContextGenerator()
    generator.GenerateFromFilenames(asked["files"])
    scu = associated(asked, generator)
    return scu and {"done": all(map(scu.SendStore, asked["files"])), "released": scu.StopAssociation()}


def find(asked: Asked) -> Asked | None:
    scu = associated(asked, proposing(FIND[asked["root"]]))
    if scu is None:
        return None
    answers = gdcm.DataSetArrayType()
    done = scu.SendFind(identifier(asked, is_move=False), answers)
    found = [texts(answers[n], list(asked["keys"])) for n in range(answers.size())]
    return {"done": done, "answers": found, "released": scu.StopAssociation()}


def move(asked: Asked) -> Asked | None:
    """GDCM names itself as destination, and writes into the folder."""
    scu = associated(asked, proposing(MOVE[asked["root"]]))
    return scu and {
        "done": scu.SendMove(identifier(asked, is_move=True), asked["folder"]),
        "released": scu.StopAssociation(),
    }


OPERATIONS: dict[str, Callable[[Asked], Asked | None]] = {"echo": echo, "store": store, "find": find, "move": move}

if __name__ == "__main__":
    request = json.load(sys.stdin)
    json.dump(OPERATIONS[request["operation"]](request) or {"done": False, "released": False}, sys.stdout)
