/** What the main thread answers to a thread that works on one request. */
import { yieldToLoop } from '../../../base/yield-to-loop.ts';
import { encodeInSlices } from '../../api/encode-in-slices.ts';
import { parseInSlices } from '../../api/parse-in-slices.ts';
import { unpackOps } from '../../store/sqlite-protocol.ts';
import { Round, type AdmissionRequest, type Reservations } from '../admission/admission.ts';
import type { ResourceContext } from '../context.ts';
import type { KubeObject } from '../object.ts';
import type { Storage } from '../writes/registry.ts';
import { own, type AdmissionQuestion, type Calls, type ObjectsWanted } from './protocol.ts';

/** A transaction of more is begun in a turn of its own. */
const MANY_OPS = 200;

type Answers = {
  readonly [K in keyof Calls]: (
    ...args: Parameters<Calls[K]>
  ) => Promise<ReturnType<Calls[K]>> | ReturnType<Calls[K]> | undefined;
};

/** On behalf of the request, for as long as it lasts; `abandon` when the thread has died over it. */
export function answersFor(
  context: ResourceContext,
  storage: Storage,
): Answers & { readonly abandon: () => Promise<void> } {
  const { admission, authorizer, cache } = context.server;
  let reservations: Reservations | undefined;
  let abandoned = false;
  const giveBack = async (): Promise<void> => {
    await reservations?.giveBack();
  };
  return {
    fresh: () => storage.fresh(),
    waitFor: (revision) => cache.waitFor(revision),
    async current(prefix, key) {
      const found = await storage.current(prefix, key);
      return found && { bytes: own(found.stored), revision: found.revision };
    },
    async txn(compares, ops, values) {
      // To read so many has taken its time.
      if (ops.length > MANY_OPS) await yieldToLoop();
      const { succeeded, revision, current } = await storage.txn(compares, unpackOps(ops, values));
      // Of what was written only the revision is new.
      const states = succeeded ? [] : current;
      return {
        succeeded,
        revision,
        current: states.map((state) => state && { ...state, value: own(state.value) }),
      };
    },
    lease: (seconds) => storage.lease(seconds),
    unclaimed: (keys) => storage.unclaimed(keys),
    decide: (attributes) => authorizer.decide(attributes),
    mutate: (question) =>
      unlessWanted(async () => {
        const warnings: string[] = [];
        const request = requestOf(question, context, warnings);
        if (question.objects === undefined && admission.looksAt('admit', request)) return 'objects';
        await admission.mutate(request);
        const { object } = request;
        if (question.objects?.object === undefined || object === undefined) return { warnings };
        const bytes = await encodeInSlices(object);
        return bytes.equals(question.objects.object) ? { warnings } : { object: own(bytes), warnings };
      }),
    validate: (question) =>
      unlessWanted(async () => {
        const warnings: string[] = [];
        const request = requestOf(question, context, warnings);
        if (question.objects === undefined && admission.looksAt('validate', request)) return 'objects';
        reservations = await admission.validate(request);
        if (abandoned) await giveBack();
        return { reserved: reservations.some, warnings };
      }),
    giveBack,
    abandon: async () => {
      abandoned = true;
      await giveBack();
    },
  };
}

/** Who looks at objects may have changed while plugins were asked. */
class Wanted extends Error {}

async function unlessWanted<T>(ask: () => Promise<T>): Promise<T | ObjectsWanted> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof Wanted) return 'objects';
    throw error;
  }
}

function requestOf(
  { objects, options, ...question }: AdmissionQuestion,
  { resource, user, server, annotations }: ResourceContext,
  warnings: string[],
): AdmissionRequest {
  let read = false;
  const request: AdmissionRequest & { object?: KubeObject; old?: KubeObject } = {
    ...question,
    resource,
    user,
    ...(options !== undefined && { options }),
    server,
    warn: (text) => void warnings.push(text),
    audit: (key, value) => void annotations?.set(key, value),
    round: new Round(),
    read: async () => {
      if (objects === undefined) throw new Wanted();
      if (read) return;
      read = true;
      if (objects.object !== undefined) request.object = await objectIn(objects.object);
      if (objects.old !== undefined) request.old = await objectIn(objects.old);
    },
  };
  return request;
}

async function objectIn(bytes: Uint8Array): Promise<KubeObject> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
  return (await parseInSlices(text, 0)).value as KubeObject;
}
