"""One association of odil, as a client that receives its own C-MOVE and C-GET. Called by conftest.py.

Runs in the system's Python, which is where Debian puts odil. One JSON document on standard input, one on standard
output (conftest.py, Scu). odil raises on every status that is no success, and tells the status in words.
"""

import json
import os
import sys
import time
from pathlib import Path

import odil

Role = odil.AssociationParameters.PresentationContext.Role
SYNTAXES = [odil.registry.ExplicitVRLittleEndian, odil.registry.ImplicitVRLittleEndian]
STORED = [odil.registry.CTImageStorage, odil.registry.DigitalXRayImageStorageForPresentation]


def associated(asked, *contexts):
    association = odil.Association()
    association.set_peer_host("127.0.0.1")
    association.set_peer_port(asked["port"])
    parameters = association.update_parameters()
    parameters.set_calling_ae_title(asked["calling"])
    parameters.set_called_ae_title(asked["called"])
    parameters.set_presentation_contexts(
        [
            odil.AssociationParameters.PresentationContext(2 * n + 1, uid, SYNTAXES, role)
            for n, (uid, role) in enumerate(contexts)
        ]
    )
    if asked.get("identity"):
        identity = asked["identity"]
        parameters.set_user_identity_to_username_and_password(identity["primary"], identity["secondary"])
    association.associate()
    return association


def model(asked, service):
    return getattr(odil.registry, f"{asked['root'].capitalize()}RootQueryRetrieveInformationModel{service}")


def identifier(asked):
    dataset = odil.DataSet()
    for keyword, value in asked["keys"].items():
        if value:
            dataset.add(keyword, [part.encode() for part in value.split("\\")])
        else:
            dataset.add(keyword)
    return dataset


def texts(dataset, keywords):
    """Return those attributes that the answer holds, in Unicode by odil's own reading of the character set."""
    character_set = odil.Value.Strings()
    if "SpecificCharacterSet" in dataset:
        character_set = dataset.as_string("SpecificCharacterSet")
    held = {}
    for keyword in keywords:
        if keyword in dataset:
            element = dataset[keyword]
            values = element.as_int() if element.is_int() else element.as_string() if element.is_string() else []
            parts = [str(v) if isinstance(v, int) else odil.as_unicode(v, character_set) for v in values]
            held[keyword] = "\\".join(parts)
    return held


def echo(asked):
    association = associated(asked, (odil.registry.Verification, Role.SCU))
    scu = odil.EchoSCU(association)
    scu.set_affected_sop_class(odil.registry.Verification)
    scu.echo()
    association.release()
    return {}


def store(asked):
    read = []
    for path in asked["files"]:
        with odil.open(path) as stream:
            read.append(odil.Reader.read_file(stream)[1])
    association = associated(asked, *((uid, Role.SCU) for uid in STORED))
    scu = odil.StoreSCU(association)
    for dataset in read:
        scu.set_affected_sop_class(dataset)
        scu.store(dataset)
    association.release()
    return {}


def find(asked):
    sop_class = model(asked, "Find")
    association = associated(asked, (sop_class, Role.SCU))
    scu = odil.FindSCU(association)
    scu.set_affected_sop_class(sop_class)
    answers = [texts(dataset, asked["keys"]) for dataset in scu.find(identifier(asked))]
    association.release()
    return {"answers": answers}


def get(asked):
    sop_class = model(asked, "Get")
    association = associated(asked, (sop_class, Role.SCU), *((uid, Role.SCP) for uid in STORED))
    scu = odil.GetSCU(association)
    scu.set_affected_sop_class(sop_class)
    responses = []
    scu.get(identifier(asked), lambda dataset: keep(asked, dataset), lambda response: responses.append(noted(response)))
    association.release()
    return {"responses": responses}


def move(asked):
    receiver = receiving(asked) if asked.get("listen") else None
    sop_class = model(asked, "Move")
    association = associated(asked, (sop_class, Role.SCU))
    scu = odil.MoveSCU(association)
    scu.set_affected_sop_class(sop_class)
    scu.set_move_destination(asked["destination"])
    responses = []
    scu.move(identifier(asked), lambda dataset: None, lambda response: responses.append(noted(response)))
    association.release()
    if receiver:
        os.waitpid(receiver, 0)
    return {"responses": responses}


def noted(response):
    """Return status and counts of a C-MOVE or C-GET response."""
    counts = {}
    for name in ("remaining", "completed", "failed", "warning"):
        if getattr(response, f"has_number_of_{name}_sub_operations")():
            counts[name] = getattr(response, f"get_number_of_{name}_sub_operations")()
    return {"status": response.get_status(), "counts": counts}


def receiving(asked):
    """Receive one association in a process of its own, which has ended when everything is kept; return its PID.

    odil's MoveSCU can receive by itself, but opens and closes its port many times a second until somebody comes.
    """
    child = os.fork()
    if child:
        while not listens(asked["listen"]):
            time.sleep(0.01)
        return child
    association = odil.Association()
    association.receive_association("v4", asked["listen"])
    dispatcher = odil.SCPDispatcher(association)

    def store(request):
        keep(asked, request.get_data_set())
        return 0

    scp = odil.StoreSCP(association)
    scp.set_callback(store)
    dispatcher.set_store_scp(scp)
    try:
        while True:
            dispatcher.dispatch()
    except odil.AssociationReleased:
        os._exit(0)


def listens(port):
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


def keep(asked, dataset):
    uid = dataset.as_string("SOPInstanceUID")[0].decode()
    with odil.open(str(Path(asked["folder"]) / f"{uid}.dcm"), "wb") as stream:
        odil.Writer.write_file(dataset, stream)


def main():
    asked = json.load(sys.stdin)
    operations = {"echo": echo, "store": store, "find": find, "get": get, "move": move}
    try:
        outcome = operations[asked["operation"]](asked)
        last = outcome.get("responses", [{"status": 0}])[-1]
        outcome["done"] = last["status"] == 0
    except odil.Exception as error:
        outcome = {"done": False, "error": str(error)}
    json.dump(outcome, sys.stdout)


main()
