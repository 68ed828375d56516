// One association of dcmjs-dimse, as a client that may listen at the same time.
//
// Called by conftest.py with one JSON document on standard input; prints one JSON document when the association is over:
//   {port, calling, called, requests: [...], identity, listen, lingerMs, abortAfter, folder} ->
//   {rejection, ended, error, responses: [[...] of each request], received: [...], originators: [...], reports: [...]}
// A report is waited for when `reports` says how many; `lingerMs` keeps the association open after the last response.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import dcmjsDimse from 'dcmjs-dimse';

const { Client, Dataset, Scp, Server, constants, log, requests, responses } = dcmjsDimse;
const {
  CEchoRequest, CFindRequest, CGetRequest, CMoveRequest, CStoreRequest, NActionRequest, NCreateRequest, NSetRequest,
} = requests;
const { CEchoResponse, CStoreResponse, NEventReportResponse } = responses;
const { PresentationContextResult, Status, TransferSyntax, UserIdentityType } = constants;

log.setLevel('silent');

const asked = JSON.parse(readFileSync(0, 'utf8'));
const outcome = {
  rejection: null, ended: '', error: '', responses: [], received: [], originators: [], reports: [],
};

function received(request) {
  const dataset = request.getDataset();
  const command = request.getCommandDataset();
  outcome.received.push(dataset.getElement('SOPInstanceUID'));
  outcome.originators.push([
    command.getElement('MoveOriginatorApplicationEntityTitle') ?? '',
    command.getElement('MoveOriginatorMessageID') ?? 0,
  ]);
  if (asked.folder) {
    dataset.toFile(join(asked.folder, `${dataset.getElement('SOPInstanceUID')}.dcm`));
  }
  const response = CStoreResponse.fromRequest(request);
  response.setStatus(Status.Success);
  return response;
}

function reported(request, where) {
  outcome.reports.push({
    where,
    event: request.getCommandDataset().getElement('EventTypeID'),
    dataset: request.getDataset().getElements(),
  });
  const response = NEventReportResponse.fromRequest(request);
  response.setStatus(Status.Success);
  return response;
}

class Listener extends Scp {
  associationRequested(association) {
    for (const { id } of association.getPresentationContexts()) {
      const context = association.getPresentationContext(id);
      const wanted = [TransferSyntax.ExplicitVRLittleEndian, TransferSyntax.ImplicitVRLittleEndian];
      const taken = wanted.find((uid) => context.getTransferSyntaxUids().includes(uid));
      if (taken) {
        context.setResult(PresentationContextResult.Accept, taken);
      } else {
        context.setResult(PresentationContextResult.RejectTransferSyntaxesNotSupported);
      }
    }
    this.sendAssociationAccept();
  }

  cEchoRequest(request, callback) {
    const response = CEchoResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  }

  cStoreRequest(request, callback) {
    callback(received(request));
  }

  nEventReportRequest(request, callback) {
    callback(reported(request, 'own association'));
    finishWhenDone();
  }

  associationReleaseRequested() {
    this.sendAssociationReleaseResponse();
  }
}

// Text with backslashes becomes a list of values.
function withKeys(request, keys) {
  const values = Object.entries(keys).map(([keyword, value]) => [
    keyword,
    typeof value === 'string' && value.includes('\\') ? value.split('\\') : value,
  ]);
  request.setDataset(new Dataset(Object.fromEntries(values), TransferSyntax.ExplicitVRLittleEndian));
  return request;
}

const MAKE = {
  echo: () => new CEchoRequest(),
  store: ({ file }) => new CStoreRequest(file),
  find: ({ keys }) => withKeys(new CFindRequest(), keys),
  get: ({ keys }) => withKeys(new CGetRequest(), keys),
  move: ({ keys, destination }) => {
    const request = withKeys(new CMoveRequest(), keys);
    request.getCommandDataset().setElement('MoveDestination', destination);
    return request;
  },
  action: ({ sopClass, instance, type, dataset }) =>
    withKeys(new NActionRequest(sopClass, instance, type), dataset),
  create: ({ sopClass, instance, dataset }) => withKeys(new NCreateRequest(sopClass, instance), dataset),
  set: ({ sopClass, instance, dataset }) => withKeys(new NSetRequest(sopClass, instance), dataset),
};

const COUNTS = ['Remaining', 'Completed', 'Failed', 'Warning'];

function noted(response) {
  const command = response.getCommandDataset();
  const counts = COUNTS.map((name) => [name.toLowerCase(), command.getElement(`NumberOf${name}Suboperations`)]);
  return {
    status: response.getStatus(),
    comment: command.getElement('ErrorComment') ?? '',
    counts: Object.fromEntries(counts.filter(([, value]) => value !== undefined)),
    dataset: response.getDataset()?.getElements() ?? null,
  };
}

function prepared(client, each, index) {
  const request = MAKE[each.operation](each);
  outcome.responses[index] = [];
  request.on('response', (response) => {
    outcome.responses[index].push(noted(response));
    if (each.cancelAfter === outcome.responses[index].length) {
      client.cancel(request);
    }
  });
  client.addRequest(request);
}

let closed = false;

function finishWhenDone() {
  if (closed && outcome.reports.length >= (asked.reports ?? 0)) {
    process.stdout.write(JSON.stringify(outcome), () => process.exit(0));
  }
}

function begin() {
  const client = new Client();
  asked.requests.forEach((each, index) => prepared(client, each, index));
  client.on('cStoreRequest', (request, callback) => callback(received(request)));
  client.on('nEventReportRequest', (request, callback) => {
    callback(reported(request, 'same association'));
    if (outcome.reports.length >= (asked.reports ?? 0)) {
      client.network.sendAssociationReleaseRequest(); // before its time
    }
  });
  client.on('associationRejected', ({ result, source, reason }) => {
    outcome.rejection = [result, source, reason];
  });
  client.on('associationReleased', () => {
    outcome.ended = 'released';
  });
  client.on('networkError', (error) => {
    outcome.error = String(error.message ?? error);
  });
  client.on('closed', () => {
    closed = true;
    finishWhenDone();
  });
  const identity = asked.identity && {
    type: UserIdentityType[asked.identity.type],
    primaryField: asked.identity.primary,
    secondaryField: asked.identity.secondary,
    positiveResponseRequested: true,
  };
  client.send('127.0.0.1', asked.port, asked.calling, asked.called, {
    associationLingerTimeout: asked.lingerMs ?? 0,
    ...(identity && { userIdentity: identity }),
  });
}

if (asked.listen) {
  new Server(Listener).listen(asked.listen); // on every interface: it binds to no one address
}
begin();
