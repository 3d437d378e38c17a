/** The thread for wide objects: the same handlers as in the main thread, over parts that ask there. */
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../../base/clock.ts';
import { Slice } from '../../../base/yield-to-loop.ts';
import { assert, PlatformError } from '../../../base/errors.ts';
import { TooLong } from '../../../base/too-long.ts';
import { fromWireError, toWireError } from '../../../base/wire-error.ts';
import { withAllowance } from '../../api/cel/allowance.ts';
import type { JsonObject } from '../../api/json.ts';
import { loadPatterns } from '../../api/pattern/lazy.ts';
import { loadRules } from '../../api/structural/lazy-rules.ts';
import type { ApiResponse } from '../../api/transport.ts';
import { loadDeviceExpressions } from '../../api/validate/expressions.ts';
import { failureAnswer, isBug } from '../answer-failure.ts';
import { recordedBody } from '../audit/recorded-body.ts';
import { ValuePacker } from '../../store/sqlite-protocol.ts';
import { CachedObject } from '../cache/cached-object.ts';
import type { RequestContext } from '../context.ts';
import { resourcesOf } from '../custom/definition.ts';
import { answerFor } from '../handlers/resource.ts';
import { wholeBody } from '../encoding/list-body.ts';
import { tableParts, viewFor, type View } from '../encoding/view.ts';
import { ResourceTable } from '../resource-table.ts';
import type { Resource } from '../resource.ts';
import {
  buffersIn,
  given,
  NO_JOB,
  own,
  type Asked,
  type Call,
  type Definition,
  type Describe,
  type Done,
  type Made,
  type Evaluation,
  type Job,
  type Place,
  type Reading,
  type Recording,
  type Reply,
  type Show,
  type ShownAs,
  type ThreadOptions,
  type ToThread,
  type Validation,
} from './protocol.ts';
import { remoteParts, type Ask } from './remote-parts.ts';

const port = parentPort;
assert(port !== null, 'offload-worker runs in a worker thread');

/** What expressions of one request may take at once: their budgets allow for more. */
const EXPRESSIONS_MS = 10_000;

const resources = new ResourceTable(workerData as ThreadOptions);
// What validation cannot wait for.
const loaded = Promise.all([loadPatterns(), loadRules(), loadDeviceExpressions()]);
/** Definitions that are being read, or were. */
const defined = new Map<string, Promise<void>>();
const waiting = new Map<number, { resolve(value: never): void; reject(error: unknown): void }>();
let lastCall = 0;

port.on('message', (message: ToThread) => {
  if (message.kind === 'job') void work(message);
  else if (message.kind === 'evaluation') void evaluate(message);
  else if (message.kind === 'validation') void validate(message);
  else if (message.kind === 'show') void show(message);
  else if (message.kind === 'reading') void read(message);
  else if (message.kind === 'recording') void record(message);
  else if (message.kind === 'describe') void describe(message);
  else if (message.kind === 'reply') settle(message);
  else {
    const defining = define(message, defined.get(message.name));
    // Those who wait for it are told.
    defining.catch(() => {});
    defined.set(message.name, defining);
  }
});

async function define({ name, bytes }: Definition, before: Promise<void> | undefined): Promise<void> {
  // What is newer may be read sooner, and is to stay.
  await before?.catch(() => {});
  resources.set(name, await resourcesOf(new CachedObject(name, bytes, 0), forAll));
}

function post(message: Call | Done | Made): void {
  port!.postMessage(message, buffersIn(message));
}

function settle({ call, value, error }: Reply): void {
  const asked = waiting.get(call);
  waiting.delete(call);
  if (error === undefined) asked?.resolve(value as never);
  else asked?.reject(fromWireError(error));
}

/** What custom resources have in common for all requests. */
const forAll = remoteParts(askerOf(NO_JOB), { now: 0, resources });

function askerOf(id: number): Ask {
  return (name, ...args) => {
    const call = ++lastCall;
    const { promise, resolve, reject } = Promise.withResolvers<never>();
    waiting.set(call, { resolve, reject });
    post({ kind: 'call', id, call, name, args });
    return promise;
  };
}

/** Expressions may take long here, but others want to have their turn. */
async function inTime<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await withAllowance(systemClock, work, EXPRESSIONS_MS);
  } catch (error) {
    if (!(error instanceof TooLong)) throw error;
    throw new PlatformError('timeout', `${error.message}: more than ${EXPRESSIONS_MS / 1000} s`, {
      cause: error,
    });
  }
}

async function work(job: Job): Promise<void> {
  const { id, info, request, user } = job;
  const server = remoteParts(askerOf(id), { now: job.now, resources });
  const query = new URLSearchParams(job.query);
  const annotations = new Map<string, string>();
  const context: RequestContext = {
    request,
    info: { ...info, query },
    user,
    server,
    slice: new Slice(systemClock),
    warnings: [],
    ...(job.audited && { annotations }),
  };
  let bug: string | undefined;
  let response: ApiResponse;
  let resource: Resource | undefined;
  try {
    resource = await resourceOf(job);
    response = await inTime(() => answerFor(context, resource!));
  } catch (error) {
    if (isBug(error)) bug = error instanceof Error ? (error.stack ?? error.message) : String(error);
    response = await failureAnswer(context, error, resource);
  }
  const { status, headers } = response;
  const body = own(await wholeBody(response.body));
  post({ kind: 'done', id, status, headers, body, annotations: [...annotations], ...(bug && { bug }) });
}

async function evaluate({ id, asked }: Evaluation): Promise<void> {
  try {
    const { answer } = await import('../admission/policy/questions.ts');
    const { question, subject } = JSON.parse(Buffer.from(asked.buffer).toString()) as Asked;
    const ask = askerOf(id);
    const made = await inTime(() => answer(question, subject, (attributes) => ask('decide', attributes)));
    post({ kind: 'made', id, answer: own(Buffer.from(JSON.stringify(made))) });
  } catch (error) {
    post({ kind: 'made', id, error: toWireError(error) });
  }
}

async function validate({ id, place, definition, object, update }: Validation): Promise<void> {
  try {
    const { type } = await resourceOf({ info: place, definition });
    const made = objectOf(object);
    const errors = await inTime(async () =>
      update === undefined
        ? type.validateCreate(made)
        : type.validateUpdate(made, objectOf(update.old), update.endpoint),
    );
    post({ kind: 'made', id, answer: own(Buffer.from(JSON.stringify(errors))) });
  } catch (error) {
    post({ kind: 'made', id, error: toWireError(error) });
  }
}

function objectOf({ buffer }: Uint8Array): JsonObject {
  return JSON.parse(Buffer.from(buffer).toString()) as JsonObject;
}

async function record({ id, body, how }: Recording): Promise<void> {
  try {
    post({ kind: 'made', id, answer: own(await recordedBody(body, how)) });
  } catch (error) {
    post({ kind: 'made', id, error: toWireError(error) });
  }
}

async function describe({ id, what, definitions }: Describe): Promise<void> {
  try {
    const { described } = await import('./describe.ts');
    // One that cannot be read is not served, or as it was before: nothing is said of it, or that.
    await Promise.allSettled(definitions.flatMap((name) => defined.get(name) ?? []));
    const builtIn = resources.all.filter(({ declaration }) => declaration.openApi === undefined);
    const served = [...builtIn, ...definitions.flatMap((name) => resources.source(name))];
    post({ kind: 'made', id, answer: given(await described(what, served)) });
  } catch (error) {
    post({ kind: 'made', id, error: toWireError(error) });
  }
}

async function show({ id, definition, accept, query, now, as, state, place }: Show): Promise<void> {
  try {
    const resource = await resourceOf({ info: place, definition });
    const object = new CachedObject('', state.bytes, state.revision);
    const view = viewFor({
      resource,
      accept,
      query: new URLSearchParams(query),
      clock: { ...systemClock, now: () => now },
      as: as.form === 'frame' ? 'events' : 'list',
    });
    post({ kind: 'made', id, answer: own(shown(object, as, { resource, view, now })) });
  } catch (error) {
    post({ kind: 'made', id, error: toWireError(error) });
  }
}

async function read({ id, definition, place, review, answer }: Reading): Promise<void> {
  try {
    const { conversion } = await resourceOf({ info: place, definition });
    assert(conversion?.program !== undefined, `${definition} is converted by another program`);
    const made = await conversion.program.read(review, answer);
    const packer = new ValuePacker();
    const slices = made.map((bytes) => packer.add(bytes));
    post({ kind: 'made', id, answer: { values: packer.pack(), slices } });
  } catch (error) {
    post({ kind: 'made', id, error: toWireError(error) });
  }
}

function shown(
  object: CachedObject,
  as: ShownAs,
  { resource, view, now }: { readonly resource: Resource; readonly view: View; readonly now: number },
): Uint8Array {
  if (as.form === 'item') return view.item(object);
  if (as.form === 'frame') return ((as.later ? view.later : undefined) ?? view).frame(as.type, object);
  return tableParts({ resource, ...view, now, metadata: {} }).row(object);
}

interface Wanted {
  readonly info: Place;
  readonly definition?: string | undefined;
}

async function resourceOf({ info, definition }: Wanted): Promise<Resource> {
  await loaded;
  if (definition !== undefined) await defined.get(definition);
  return resources.get(info.group, info.version, info.resource);
}
