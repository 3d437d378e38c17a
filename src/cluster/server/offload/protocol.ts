/**
 * What the server's main thread and the one for wide objects say to each other. Objects travel as JSON in buffers that
 * change hands: a structured clone would take the main thread as long as the work that it is spared.
 *
 *   main                               thread
 *     |   workerData: ThreadOptions       |
 *     |-- Definition -------------------->|   of a custom resource that it does not know yet
 *     |-- Job { request, user, … } ------>|
 *     |<-- Call { name, args } -----------|   what is there, admission, the transaction: any number, one after another
 *     |-- Reply { value | error } ------->|
 *     |<-- Done { response } -------------|
 *     |                                   |
 *     |-- Show { state } ---------------->|   a wide object as a list or a watch shows it
 *     |<-- Made { answer | error } --|
 *     |                                   |
 *     |-- Evaluation { question } ------->|   expressions of policies that take long, while admission waits
 *     |<-- Call { decide } ---------------|
 *     |-- Reply { value | error } ------->|
 *     |<-- Made { answer | error } --|
 *     |                                   |
 *     |-- Validation { object } --------->|   an object whose rules take long, while its request waits
 *     |<-- Made { answer | error } --|
 *     |                                   |
 *     |-- Recording { body } ------------>|   what an audit event says of a long body
 *     |<-- Made { answer | error } --|
 *     |                                   |
 *     |-- Reading { review, answer } ---->|   wide objects that a webhook has converted
 *     |<-- Made { answer | error } --|
 *     |                                   |
 *     |-- Describe { what } ------------->|   a document of OpenAPI, after the definitions that it is about
 *     |<-- Made { answer | error } --|
 *     |                                   |
 *     |<-- Call { callConverter } --------|   the webhook, on behalf of whatever has something to be converted
 *     |-- Reply { value | error } ------->|
 */
import { assert } from '../../../base/errors.ts';
import type { WireError } from '../../../base/wire-error.ts';
import type { ApiRequest, UserInfo } from '../../api/transport.ts';
import type { Slice, WireOp } from '../../store/sqlite-protocol.ts';
import type { Compare } from '../../store/store.ts';
import type { AdmissionRequest, Operation } from '../admission/admission.ts';
import type { Question } from '../admission/policy/questions.ts';
import type { Subject } from '../admission/policy/variables.ts';
import type { BodyToRecord } from '../audit/recorded-body.ts';
import type { Attributes, Decision } from '../authorization/authorizer.ts';
import type { ServerParts } from '../context.ts';
import type { Outcome } from '../writes/registry.ts';
import type { RequestInfo } from '../request-info.ts';
import type { StrategyChoices } from '../strategies/index.ts';
import type { Answered } from '../webhooks/json-exchange.ts';

/** What the thread is started with. */
export type ThreadOptions = StrategyChoices;

/** One request that the thread is to answer. */
export interface Job {
  readonly kind: 'job';
  readonly id: number;
  readonly request: Omit<ApiRequest, 'signal'>;
  readonly info: Omit<RequestInfo, 'query'>;
  /** As a text: what it is read into cannot be cloned. */
  readonly query: string;
  readonly user: UserInfo;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Whether an audit event wants to know more. */
  readonly audited: boolean;
  /** Of a custom resource: which definition makes it. */
  readonly definition?: string;
}

/** A definition in its newest state, before the first job that needs it. */
export interface Definition {
  readonly kind: 'definition';
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Which resource it is about. */
export type Place = Pick<RequestInfo, 'group' | 'version' | 'resource'>;

/** One wide object as a list or a watch shows it. */
export interface Show {
  readonly kind: 'show';
  readonly id: number;
  readonly place: Place;
  readonly definition?: string;
  readonly accept: string | undefined;
  readonly query: string;
  readonly now: number;
  readonly as: ShownAs;
  readonly state: State;
}

export type ShownAs =
  | { readonly form: 'item' | 'row' }
  | { readonly form: 'frame'; readonly type: string; readonly later: boolean };

/** Something stored. */
export interface State {
  readonly bytes: Uint8Array;
  readonly revision: number;
}

/** Admission is asked in the main thread, where everything is that its plugins look at. */
export interface AdmissionQuestion {
  readonly operation: Operation;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly generateName?: string;
  readonly addressed?: string;
  readonly dryRun: boolean;
  readonly options?: AdmissionRequest['options'];
  /** JSON. They are left out at first: most plugins have nothing to say about most kinds. */
  readonly objects?: { readonly object?: Uint8Array; readonly old?: Uint8Array };
}

/** Somebody looks at the objects: the question is to be asked again, with them. */
export type ObjectsWanted = 'objects';

/** What the thread asks the main one for. */
export interface Calls {
  fresh(): void;
  waitFor(revision: number): void;
  current(prefix: string, key: string): State | undefined;
  /** The operations' values lie in `values`. */
  txn(compares: readonly Compare[], ops: readonly WireOp[], values: Uint8Array): Outcome;
  lease(seconds: number): number;
  unclaimed(keys: readonly string[]): string | undefined;
  decide(attributes: Attributes): Decision;
  /** The object when it has been changed, as JSON. */
  mutate(
    question: AdmissionQuestion,
  ): ObjectsWanted | { readonly object?: Uint8Array; readonly warnings: readonly string[] };
  /** Whether something has been set aside. */
  validate(
    question: AdmissionQuestion,
  ): ObjectsWanted | { readonly reserved: boolean; readonly warnings: readonly string[] };
  /** What has been set aside is not needed. */
  giveBack(): void;
}

/** What a thread asks for of itself: who asks first asks for all. */
export interface SharedCalls {
  callConverter: ServerParts['callConverter'];
}

/** In the place of a job's. */
export const NO_JOB = 0;

export type CallName = keyof Calls | keyof SharedCalls;

export interface Call {
  readonly kind: 'call';
  /** The job's, the evaluation's or NO_JOB. */
  readonly id: number;
  readonly call: number;
  readonly name: CallName;
  readonly args: readonly unknown[];
}

export interface Reply {
  readonly kind: 'reply';
  readonly id: number;
  readonly call: number;
  readonly value?: unknown;
  readonly error?: WireError;
}

export interface Done {
  readonly kind: 'done';
  readonly id: number;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** For the audit event. */
  readonly annotations: readonly (readonly [string, string])[];
  /** An error that is nobody's fault but ours, with its stack. */
  readonly bug?: string;
}

/** What expressions are asked about a request. */
export interface Evaluation {
  readonly kind: 'evaluation';
  readonly id: number;
  /** JSON of an Asked. */
  readonly asked: Uint8Array;
}

export interface Asked<Q extends Question = Question> {
  readonly question: Q;
  readonly subject: Subject;
}

/** What is wrong with an object? */
export interface Validation {
  readonly kind: 'validation';
  readonly id: number;
  readonly place: Place;
  readonly definition?: string;
  /** JSON. */
  readonly object: Uint8Array;
  readonly update?: { readonly old: Uint8Array; readonly endpoint: string };
}

/** What a webhook has made of wide objects. */
export interface Reading {
  readonly kind: 'reading';
  readonly id: number;
  readonly place: Place;
  readonly definition: string;
  /** JSON of a ConversionReview. */
  readonly review: Uint8Array;
  readonly answer: Answered;
}

/** What an audit event says of a body. */
export interface Recording {
  readonly kind: 'recording';
  readonly id: number;
  readonly body: Uint8Array;
  readonly how: BodyToRecord;
}

/** What OpenAPI says of what is served. */
export interface Describe {
  readonly kind: 'describe';
  readonly id: number;
  readonly what: Described;
  /** Of the definitions those that are served now, where they matter: the thread knows others that are gone. */
  readonly definitions: readonly string[];
}

interface Version {
  readonly group: string;
  readonly version: string;
}

export type Described =
  | ({ readonly format: 'json' | 'protobuf' } & (
      | ({ readonly document: 'v3' } & Version)
      /** Of a path above group versions. */
      | { readonly document: 'v3 root'; readonly path: string }
      /** Of another server's part. */
      | { readonly document: 'v3 of part'; readonly part: Uint8Array }
      /** Of everything: what is served here, in this order, and other servers' parts. */
      | {
          readonly document: 'v2';
          readonly versions: readonly Version[];
          readonly roots: readonly string[];
          readonly parts: readonly Uint8Array[];
        }
    ))
  /** JSON of what concerns one group version in another server's v2 document; fails where that is no JSON object. */
  | ({ readonly document: 'part'; readonly whole: Uint8Array } & Version);

/** The bytes in what is to be described are given away. */
export type Describer = (what: Described, definitions?: readonly string[]) => Promise<Uint8Array>;

/** Definitions are called by their resource and group. */
export function definitionName({ group, resource }: Omit<Place, 'version'>): string {
  return `${resource}.${group}`;
}

/** One buffer for many: hundreds would each have to change hands, and to be collected. */
export interface Packed {
  readonly values: Uint8Array;
  readonly slices: readonly Slice[];
}

export interface Made {
  readonly kind: 'made';
  readonly id: number;
  /** JSON; of a reading that of each object. */
  readonly answer?: Uint8Array | Packed;
  readonly error?: WireError;
}

export type ToThread =
  | Job
  | Show
  | Evaluation
  | Validation
  | Reading
  | Recording
  | Describe
  | Definition
  | Reply;

/** The buffers in a message, to be handed over with it: each is the sender's own. */
export function buffersIn(value: unknown, found: ArrayBuffer[] = []): ArrayBuffer[] {
  if (value instanceof Uint8Array) {
    assert(value.length === value.buffer.byteLength, 'nobody else has bytes in what is handed over');
    found.push(value.buffer as ArrayBuffer);
  } else if (typeof value === 'object' && value !== null)
    for (const item of Object.values(value)) buffersIn(item, found);
  return found;
}

/** Bytes that their owner needs no more, to be handed over: copied where others have some in the same buffer. */
export function given(bytes: Uint8Array): Uint8Array {
  return bytes.length === bytes.buffer.byteLength ? bytes : own(bytes);
}

/** A copy in a buffer of its own, which can be handed over: `slice` may copy into the pool that all share. */
export function own(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
