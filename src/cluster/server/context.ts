/** What a request handler works with. */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { Slice } from '../../base/yield-to-loop.ts';
import type { JsonObject } from '../api/json.ts';
import type { ApiRequest, ApiResponse, Transport, UserInfo } from '../api/transport.ts';
import type { Store } from '../store/store.ts';
import type { Admission } from './admission/admission.ts';
import type { Authentication } from './authentication/authenticator.ts';
import type { ServiceAccountTokens } from './authentication/service-account-tokens.ts';
import type { Authorizer } from './authorization/authorizer.ts';
import type { Rbac } from './authorization/rbac.ts';
import type { HealthCheck } from './health/health.ts';
import type { KubeletClient } from './handlers/connect/remote-kubelet.ts';
import type { Offload } from './offload/offload.ts';
import type { Registry } from './writes/registry.ts';
import type { RequestInfo } from './request-info.ts';
import type { Resource } from './resource.ts';
import type { ResourceTable } from './resource-table.ts';
import type { WatchCache } from './cache/watch-cache.ts';
import type { Answered } from './webhooks/json-exchange.ts';

export interface ServerLimits {
  /** How long a request may take that is not a watch, a log or a connection. */
  readonly requestMs: number;
  /** Without a timeout a watch lasts this long to twice as long: a restart's watchers do not all come back at once. */
  readonly minWatchMs: number;
  /** Events vanish this long after their last write. */
  readonly eventSeconds: number;
  /** Objects of so many values are worked on in a thread of their own: fewer take two milliseconds at the most. */
  readonly wideValues: number;
}

export const DEFAULT_LIMITS: ServerLimits = {
  requestMs: 60_000,
  minWatchMs: 30 * 60_000,
  eventSeconds: 3600,
  wideValues: 1000,
};

/** The parts of a running server. */
export interface ServerParts {
  readonly store: Store;
  readonly cache: WatchCache;
  readonly registry: Registry;
  readonly resources: ResourceTable;
  readonly authorizer: Authorizer;
  readonly rbac: Rbac;
  readonly authentication: Authentication;
  readonly serviceAccounts?: ServiceAccountTokens;
  readonly admission: Admission;
  readonly limits: ServerLimits;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The way to a node's kubelet, whose HTTP API it speaks; undefined for a node that is not connected. */
  readonly nodes: (name: string) => Transport | undefined;
  /** What this server shows to kubelets that `nodes` does not know; it dials none without. */
  readonly kubeletClient?: KubeletClient;
  /** What `componentstatuses` lists. */
  readonly components: readonly HealthCheck[];
  /** Where wide objects are worked on; everything is done here without it. */
  readonly offload?: Offload;
  /** Asks a program that converts (WebhookClientConfig) about JSON of a ConversionReview. */
  readonly callConverter: (clientConfig: JsonObject, review: Uint8Array) => Promise<Answered>;
  /** Aborts when the server stops. */
  readonly stopping: AbortSignal;
}

export interface RequestContext {
  readonly request: ApiRequest;
  readonly info: RequestInfo;
  /** Whom the request is made as. */
  user: UserInfo;
  /** The verb that allows to act as that user, where it is one of KEP-5284's. */
  constraint?: string | undefined;
  readonly server: ServerParts;
  /** Between two steps the request lets others have their turn: one that runs for the first time may take milliseconds. */
  readonly slice: Slice;
  /** The answer goes out as it is, to everybody: somebody else's server gives it, or it is a document of bytes. */
  verbatim?: boolean;
  /** Sent with the answer, whatever it turns out to be; the answer's own come first. */
  headers?: Readonly<Record<string, string>>;
  /** What the audit event is to say besides; absent when nobody records this request. */
  annotations?: Map<string, string>;
  /** What a failure says beside its Status; who answers otherwise says its own. */
  readonly warnings?: string[];
}

/** The context of a request for a served resource. */
export interface ResourceContext extends RequestContext {
  readonly resource: Resource;
}

export type Answer = (context: ResourceContext) => Promise<ApiResponse>;

export type Handler = (context: RequestContext, next: () => Promise<ApiResponse>) => Promise<ApiResponse>;
