/** What a handler needs of the server, in the thread that has none of it: each part asks the main thread. */
import { systemClock } from '../../../base/clock.ts';
import { assert } from '../../../base/errors.ts';
import { silentLogger } from '../../../base/log.ts';
import { systemRandom } from '../../../base/random.ts';
import { packOps, ValuePacker } from '../../store/sqlite-protocol.ts';
import type { Compare, Op } from '../../store/store.ts';
import { Admission, Reservations, type AdmissionRequest } from '../admission/admission.ts';
import { CachedObject } from '../cache/cached-object.ts';
import type { ServerParts } from '../context.ts';
import type { KubeObject } from '../object.ts';
import { Registry, type Outcome, type Storage } from '../writes/registry.ts';
import type { ResourceTable } from '../resource-table.ts';
import {
  own,
  type AdmissionQuestion,
  type CallName,
  type Calls,
  type ObjectsWanted,
  type SharedCalls,
} from './protocol.ts';

type AllCalls = Calls & SharedCalls;

/** Asks the main thread, for one job. */
export type Ask = <K extends CallName>(
  name: K,
  ...args: Parameters<AllCalls[K]>
) => Promise<Awaited<ReturnType<AllCalls[K]>>>;

/** Handlers that ask for more than these are not for this thread. */
export function remoteParts(
  ask: Ask,
  { now, resources }: { readonly now: number; readonly resources: ResourceTable },
): ServerParts {
  const parts: Pick<
    ServerParts,
    'registry' | 'admission' | 'authorizer' | 'callConverter' | 'clock' | 'random' | 'resources' | 'log'
  > & { readonly cache: Pick<ServerParts['cache'], 'waitFor'> } = {
    registry: new Registry(new RemoteStorage(ask), systemRandom),
    admission: new RemoteAdmission(ask),
    authorizer: { decide: (attributes) => ask('decide', attributes) },
    callConverter: (clientConfig, review) => ask('callConverter', clientConfig, own(review)),
    cache: { waitFor: (revision) => ask('waitFor', revision) },
    // The request's time is the main thread's, wherever that has it from.
    clock: { ...systemClock, now: () => now },
    random: systemRandom,
    resources,
    log: silentLogger,
  };
  return parts as ServerParts;
}

class RemoteStorage implements Storage {
  readonly #ask: Ask;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  async fresh(): Promise<void> {
    await this.#ask('fresh');
  }

  async current(prefix: string, key: string): Promise<CachedObject | undefined> {
    const found = await this.#ask('current', prefix, key);
    return found && new CachedObject(key, found.bytes, found.revision);
  }

  async txn(compares: readonly Compare[], ops: readonly Op[]): Promise<Outcome> {
    const packer = new ValuePacker();
    const packed = packOps(ops, packer);
    return await this.#ask('txn', compares, packed, packer.pack());
  }

  lease(seconds: number): Promise<number> {
    return this.#ask('lease', seconds);
  }

  unclaimed(keys: readonly string[]): Promise<string | undefined> {
    return this.#ask('unclaimed', keys);
  }
}

class RemoteAdmission extends Admission {
  readonly #ask: Ask;

  constructor(ask: Ask) {
    super([]);
    this.#ask = ask;
  }

  override async mutate(request: AdmissionRequest): Promise<void> {
    const { object, warnings } = await askAbout(request, (question) => this.#ask('mutate', question));
    warnings.forEach(request.warn);
    if (object === undefined || request.object === undefined) return;
    const given: KubeObject = request.object;
    for (const key of Object.keys(given)) delete given[key];
    Object.assign(given, JSON.parse(Buffer.from(object.buffer).toString()));
  }

  override async validate(request: AdmissionRequest): Promise<Reservations> {
    const { reserved, warnings } = await askAbout(request, (question) => this.#ask('validate', question));
    warnings.forEach(request.warn);
    return new Reservations(reserved ? [() => this.#ask('giveBack')] : []);
  }
}

/** Without the objects at first, which takes as long to write as to work on. */
async function askAbout<T>(
  request: AdmissionRequest,
  ask: (question: AdmissionQuestion) => Promise<T | ObjectsWanted>,
): Promise<T> {
  const { object, old } = request;
  const question = questionOf(request);
  if (object !== undefined || old !== undefined) {
    const answer = await ask(question);
    if (answer !== 'objects') return answer;
  }
  const objects = {
    ...(object !== undefined && { object: jsonOf(object) }),
    ...(old !== undefined && { old: jsonOf(old) }),
  };
  const answer = await ask({ ...question, objects });
  assert(answer !== 'objects', 'the objects are there');
  return answer;
}

function questionOf(request: AdmissionRequest): AdmissionQuestion {
  const { operation, subresource, namespace, name, generateName, addressed, dryRun, options } = request;
  return {
    operation,
    subresource,
    namespace,
    name,
    dryRun,
    ...(generateName !== undefined && { generateName }),
    ...(addressed !== undefined && { addressed }),
    ...(options !== undefined && { options }),
  };
}

function jsonOf(object: KubeObject): Uint8Array {
  return own(Buffer.from(JSON.stringify(object)));
}
