/**
 * The API server: a chain of handlers over a registry over a store. `handle` is the whole of it; HTTPS
 * (https-listener.ts) and clients in the same process (`transportFor`) are two ways to call it.
 */

import { sleep, type Clock } from '../../base/clock.ts';
import { assert } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import { Slice } from '../../base/yield-to-loop.ts';
import { statusOf } from '../api/status.ts';
import type { ApiRequest, ApiResponse, Transport, UserInfo } from '../api/transport.ts';
import type { Store } from '../store/store.ts';
import { Aggregation } from './aggregation/aggregation.ts';
import type { ProxyClient } from './aggregation/connections.ts';
import { Admission, type AdmissionPlugin } from './admission/admission.ts';
import { devices } from './admission/plugins/devices.ts';
import { expressionGuard } from './admission/policy/guard.ts';
import { followPolicies } from './admission/policy/status.ts';
import { defaultAdmissionPlugins, type AdmissionOptions } from './admission/default-plugins.ts';
import { failureAnswer, isBug } from './answer-failure.ts';
import { firstHeaders, withHeaders, UNSNIFFED } from './encoding/answer-headers.ts';
import { authenticationOf, type AuthenticationOptions } from './authentication/authentication-of.ts';
import type { Credentials } from './authentication/authenticator.ts';
import { actAs } from './authentication/impersonation.ts';
import { LAST_USED, SecretTokens, type SecretTokenIssuer } from './authentication/secret-tokens.ts';
import { ServiceAccountTokens, type Lookup } from './authentication/service-account-tokens.ts';
import { SigningKeys } from './authentication/signing-keys.ts';
import {
  attributesOf,
  firstOf,
  refusal,
  withoutMarkup,
  type Attributes,
  type Authorizer,
  type Decision,
} from './authorization/authorizer.ts';
import { authorizersOf, type AuthorizationOptions } from './authorization/authorizers-of.ts';
import { administrators } from './authorization/administrators.ts';
import { nodeRules } from './authorization/default-roles.ts';
import { escalationGuard } from './authorization/escalation.ts';
import { NodeAuthorizer } from './authorization/node/node-authorizer.ts';
import { NodeRelations } from './authorization/node/node-relations.ts';
import { Rbac, RBAC_GROUP } from './authorization/rbac.ts';
import { publishTrust, type ClientTrust } from './authentication/published-trust.ts';
import { bootstrap, bootstrapRoles, keepBootstrapped } from './bootstrap.ts';
import { formatIpv4, parseCidr } from './cidr.ts';
import { startCompactor } from './cache/compactor.ts';
import {
  DEFAULT_LIMITS,
  type Handler,
  type RequestContext,
  type ServerLimits,
  type ServerParts,
} from './context.ts';
import { deadline } from './deadline.ts';
import { auditHandler, type AuditOptions } from './audit/audit.ts';
import { DanglingReferences } from './flow-control/dangling.ts';
import { FlowControl, type FlowControlOptions } from './flow-control/flow-control.ts';
import { maxInFlight, type InFlightLimits } from './flow-control/max-in-flight.ts';
import { type HealthCheck } from './health/health.ts';
import { StartUp } from './health/start-up.ts';
import { admissionMetrics } from './metrics/admission-metrics.ts';
import { ServerMetrics } from './metrics/server-metrics.ts';
import type { KubeObject } from './object.ts';
import type { KubeletClient } from './handlers/connect/remote-kubelet.ts';
import { CachedStorage } from './cache/cached-storage.ts';
import { labelOwn } from './writes/own-objects.ts';
import { Advertiser } from './membership/advertiser.ts';
import { IdentityLease, type ServerIdentity } from './membership/identity-lease.ts';
import type { Advertised } from './membership/master-leases.ts';
import { callConverter } from './custom/converter-call.ts';
import { CustomResources } from './custom/custom-resources.ts';
import { ruleGuard } from './custom/rule-guard.ts';
import type { FileAccess } from './configuration/file-access.ts';
import { Discovery } from './discovery.ts';
import { noSuchPath } from './failure.ts';
import { Offload } from './offload/offload.ts';
import type { Describer } from './offload/protocol.ts';
import { Registry } from './writes/registry.ts';
import { parseRequest } from './request-info.ts';
import { ResourceTable } from './resource-table.ts';
import { present } from './encoding/present.ts';
import { compressed, statusResponse } from './encoding/respond.ts';
import type { StrategyChoices } from './strategies/index.ts';
import { serving } from './serving.ts';
import { ADDRESS_PREFIX, NODE_PORT_PREFIX } from './strategies/service-claims.ts';
import { warmUp } from './warm-up.ts';
import { WatchCache } from './cache/watch-cache.ts';

export interface ApiServerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Range of cluster addresses, like `10.96.0.0/16`; its first address is the API's own service. */
  readonly serviceCidr: string;
  /** First and last port that services may take on nodes; 30000 to 32767 when absent. */
  readonly nodePortRange?: readonly [number, number];
  /** The way to a node's kubelet by the node's name, for logs, exec and all else that only it can answer. */
  readonly nodes?: (name: string) => Transport | undefined;
  /** For the kubelets of all other nodes, which are dialled. */
  readonly kubeletClient?: KubeletClient;
  /** Other API servers write to the same store (etcd). */
  readonly sharedStore?: boolean;
  /** Published as a Lease in kube-system; nothing is when absent. */
  readonly identity?: ServerIdentity;
  readonly authentication?: AuthenticationOptions;
  /** Who decides besides role-based access control and the Node authorizer, or instead of them. */
  readonly authorization?: AuthorizationOptions;
  /** Asked after those that are always there. */
  readonly authorizers?: readonly Authorizer[];
  /** Where the files are that the options name; needed when there are any. */
  readonly files?: FileAccess;
  /** Asked after those that are on by default. */
  readonly admission?: readonly AdmissionPlugin[];
  /** Nothing is recorded without it. Its sinks end with the server. */
  readonly audit?: AuditOptions;
  readonly flowControl?: FlowControlOptions;
  /** Instead of flow control: so many requests at once and no more. */
  readonly inFlight?: InFlightLimits;
  /** Those that are absent are upstream's. */
  readonly limits?: Partial<ServerLimits>;
  /** What the process was started with, by the flags' names; shown as it is by `/flagz`. */
  readonly flags?: Readonly<Record<string, string>>;
  /** Asked for by `/readyz` beside the server's own. */
  readonly healthChecks?: readonly HealthCheck[];
  /** Listed as `componentstatuses` beside the store. */
  readonly components?: readonly HealthCheck[];
  readonly admissionOptions?: AdmissionOptions;
  /** What is shown to servers that answer for a group; without it they do not know who asks. */
  readonly proxyClient?: ProxyClient;
  /** Published for servers that want to know whom this one believes; nothing is when absent. */
  readonly clientTrust?: ClientTrust;
}

export interface ApiServer extends AsyncDisposable {
  /** Who has these credentials; throws `unauthenticated` for bad ones. */
  authenticate(credentials: Credentials): Promise<UserInfo>;
  /** The answer to a request that never got as far as being one: of nobody, or too large. */
  refuse(error: unknown, headers: Readonly<Record<string, string>>): ApiResponse;
  /** Answers one request of an authenticated user. Never throws: failures are answers with a Status. */
  handle(request: ApiRequest, user: UserInfo): Promise<ApiResponse>;
  /** A client's way in from the same process. */
  transportFor(user: UserInfo): Transport;
  /**
   * Points the service `default/kubernetes` at the address on which this server can be reached; besides those of the
   * others that are alive on the same store, when there may be any.
   */
  advertise(where: Advertised): Promise<void>;
  /** A token without an end for a service account, which a secret is to keep; there are none without keys to sign them. */
  readonly secretToken?: SecretTokenIssuer;
  /** Resolves when what the server writes about itself once it is ready has been written. */
  settled(): Promise<void>;
  /** True from when requests are answered until the server is disposed. */
  ready(): boolean;
}

/** Loads the cache and makes sure of the first objects; serves when it resolves. Disposing ends all watches. */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const started = options.clock.now();
  const { store, clock, random, log, nodes: kubelets = () => undefined, sharedStore = false } = options;
  await using stack = new AsyncDisposableStack();
  const addresses = parseCidr(options.serviceCidr);
  const limits: ServerLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const choices: StrategyChoices = {
    addresses,
    nodePorts: options.nodePortRange ?? [30000, 32767],
    eventSeconds: limits.eventSeconds,
  };
  const resources = new ResourceTable(choices);
  const kept = resources.all.filter(({ declaration }) => !declaration.virtual);
  const prefixes = new Set([...kept.map(({ prefix }) => prefix), ADDRESS_PREFIX, NODE_PORT_PREFIX]);
  const startUp = new StartUp();
  const cache = stack.use(await WatchCache.open({ store, clock, prefixes: [...prefixes] }));
  startUp.done('cache');
  const storage = new CachedStorage({ store, cache, clock, sharedStore });
  const registry = new Registry(storage, random);
  const named = (resource: string): { prefix: string } => resources.get(RBAC_GROUP, 'v1', resource);
  const rbac = stack.use(
    new Rbac(cache, {
      roles: named('roles'),
      clusterRoles: named('clusterroles'),
      roleBindings: named('rolebindings'),
      clusterRoleBindings: named('clusterrolebindings'),
    }),
  );
  const relations = stack.use(
    new NodeRelations(cache, {
      pods: resources.get('', 'v1', 'pods'),
      persistentVolumes: resources.get('', 'v1', 'persistentvolumes'),
      volumeAttachments: resources.get('storage.k8s.io', 'v1', 'volumeattachments'),
      resourceSlices: resources.get('resource.k8s.io', 'v1', 'resourceslices'),
    }),
  );
  const metrics = new ServerMetrics();
  const nodes = new NodeAuthorizer(relations, nodeRules());
  const authorizer = firstOf([
    administrators,
    ...(await authorizersOf(options, { node: nodes, rbac, stack, metrics })),
    ...(options.authorizers ?? []),
  ]);
  const lookup: Lookup = async (resource, namespace, name) =>
    (await registry.find(resources.get('', 'v1', resource), { namespace, name }))?.object;
  const accounts = options.authentication?.serviceAccounts;
  const keys = accounts && new SigningKeys(accounts.signingKey, accounts.otherKeys);
  const serviceAccounts = keys && new ServiceAccountTokens(accounts, { keys, clock, random, lookup });
  const used = (secret: KubeObject, day: string): Promise<void> =>
    labelOwn({ registry, resources }, ['', 'secrets'], { object: secret, labels: { [LAST_USED]: day } });
  const secretTokens = keys && new SecretTokens({ keys, clock, lookup, used });
  const tokens = { serviceAccounts, secretTokens };
  const authentication = await authenticationOf(options, { ...tokens, lookup, stack, metrics });
  const stop = new AbortController();
  stack.defer(() => stop.abort());
  const callConverterHere: ServerParts['callConverter'] = (clientConfig, review) =>
    callConverter(clientConfig, review, parts);
  const offload = stack.use(
    new Offload({ clock, storage, limits, choices, callConverter: callConverterHere }),
  );
  const parts: ServerParts = {
    store,
    cache,
    registry,
    resources,
    rbac,
    authentication,
    ...(serviceAccounts !== undefined && { serviceAccounts }),
    authorizer,
    admission: new Admission(
      [
        ruleGuard,
        expressionGuard,
        devices,
        ...defaultAdmissionPlugins(options.admissionOptions),
        ...(options.admission ?? []),
        escalationGuard,
      ],
      admissionMetrics(metrics.registry, () => clock.monotonic()),
    ),
    limits,
    clock,
    random,
    log: log.child('apiserver'),
    nodes: kubelets,
    ...(options.kubeletClient !== undefined && { kubeletClient: options.kubeletClient }),
    components: [
      ...(options.components ?? []),
      // Under this name everyone knows the store.
      { name: 'etcd-0', live: true, check: async (): Promise<void> => void (await store.revision()) },
    ].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    offload,
    callConverter: callConverterHere,
    stopping: stop.signal,
  };
  const advertiser = new Advertiser(parts, sharedStore);
  stack.defer(() => farewell(advertiser, clock));
  const identity = options.identity && new IdentityLease(parts, options.identity);
  const repair = async (): Promise<void> => {
    await bootstrap(parts, {
      kubernetes: formatIpv4(addresses.base + 1),
      services: options.serviceCidr,
    });
    if (options.clientTrust !== undefined) await publishTrust(parts, options.clientTrust);
    await identity?.renew();
    await advertiser.reconcile();
  };
  startUp.done('admission');
  await repair();
  startUp.done('objects');
  await bootstrapRoles(parts);
  startUp.done('roles');
  stack.use(keepBootstrapped(parts, repair));
  stack.use(
    startCompactor(store, {
      clock,
      log: parts.log,
      forget: (revision) => cache.forget(revision),
      shared: sharedStore,
    }),
  );
  stack.use(await CustomResources.start(parts));
  startUp.done('definitions');
  stack.use(followPolicies(parts));
  const describe: Describer = (what, definitions = []) => offload.describe(parts, what, definitions);
  const aggregation = stack.use(new Aggregation(parts, { client: options.proxyClient, describe }));
  startUp.done('aggregation');
  const advertised = (): Advertised | undefined => advertiser.own;
  const discovery = new Discovery(resources, aggregation, { clock, describe, advertised });
  metrics.observe(parts);
  const flows = stack.use(new FlowControl(parts, metrics.registry, options.flowControl));
  const dangling = stack.use(new DanglingReferences(parts));
  startUp.done('fairness');
  for (const sink of options.audit?.sinks ?? []) stack.use(sink);
  const checks: readonly HealthCheck[] = [
    { name: 'ping', live: true, check: () => {} },
    { name: 'log', live: true, check: () => {} },
    // Under the name that probes exclude it by, whatever the store is.
    { name: 'etcd', live: true, check: async () => void (await store.revision()) },
    { name: 'informer-sync', live: false, check: async () => cache.waitFor(0) },
    ...startUp.checks,
    {
      name: 'autoregister-completion',
      live: true,
      check: () => assert(aggregation.local.complete, 'missing APIService'),
    },
    { name: 'shutdown', live: false, check: () => stop.signal.throwIfAborted() },
    ...(options.healthChecks ?? []),
  ];
  const answer = chained([
    ...(options.audit === undefined ? [] : [auditHandler(options.audit)]),
    answerFailures,
    deadline(limits.requestMs),
    actAs(authorizer),
    options.inFlight === undefined ? flows.handler : maxInFlight(options.inFlight),
    authorizeUser,
    aggregation.handler,
    serving({
      discovery,
      checks,
      metrics,
      about: () => ({ started, now: clock.now(), flags: options.flags ?? {} }),
    }),
  ]);

  let requests = 0;
  const handle = async (request: ApiRequest, user: UserInfo): Promise<ApiResponse> => {
    requests++;
    const info = parseRequest(request.method, request.url);
    const headers = firstHeaders(request.headers, random);
    const slice = new Slice(clock);
    const context: RequestContext = { request, info, user, server: parts, slice, headers, warnings: [] };
    const begun = clock.monotonic();
    metrics.begin(context);
    let response = await answer(context);
    for (const touch of TOUCHES) {
      const touched = touch(context, response);
      response = touched instanceof Promise ? await touched : touched;
    }
    response = metrics.answered(context, response, clock.monotonic() - begun);
    return withHeaders(response, context.headers);
  };
  // In one batch, and not before somebody can be answered.
  aggregation.local.reconcile();
  warmUp(clock, stop.signal, () => requests).catch((error: unknown) =>
    log.warn('cannot load a part of the program', { error }),
  );
  const owned = stack.move();
  return {
    handle,
    authenticate: (credentials) => authentication.authenticate(credentials),
    refuse: (error, headers) =>
      withHeaders(statusResponse(statusOf(error), headers['accept']), firstHeaders(headers, random)),
    transportFor: (user) => ({
      request: (request) => handle({ ...request, isLocal: true }, user),
    }),
    advertise: async (where) => {
      advertiser.moveTo(where);
      await repair();
    },
    ...(secretTokens !== undefined && {
      secretToken: (account, secret) => secretTokens.issue(account, secret),
    }),
    settled: async () => {
      await Promise.all([aggregation.local.settled(), dangling.settled()]);
    },
    ready: () => !stop.signal.aborted,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Not longer than somebody who ends a server would wait for a store that does not answer. */
const FAREWELL_MS = 2000;

async function farewell(advertiser: Advertiser, clock: Clock): Promise<void> {
  const patience = new AbortController();
  const left = advertiser.leave().catch(() => undefined);
  await Promise.race([left, sleep(clock, FAREWELL_MS, patience.signal).catch(() => undefined)]);
  patience.abort();
}

/** Handlers that only look at the request pass the next one's promise on: each that waits costs a turn. */
function chained(handlers: readonly Handler[]): (context: RequestContext) => Promise<ApiResponse> {
  const end = (): never => {
    throw noSuchPath();
  };
  return handlers.reduceRight<(context: RequestContext) => Promise<ApiResponse>>(
    (next, handler) => (context) => handler(context, () => next(context)),
    end,
  );
}

/** The outermost handler: whatever goes wrong becomes a Status. */
const answerFailures: Handler = async (context, next) => {
  try {
    return await next();
  } catch (error) {
    const { info, server, request } = context;
    if (isBug(error)) server.log.error('request failed', { method: request.method, path: info.path, error });
    return await failureAnswer(
      context,
      error,
      server.resources.find(info.group, info.version, info.resource),
    );
  }
};

/** What is done to an answer at last, in this order. Most are good as they are: nobody waits for those. */
const TOUCHES: readonly ((
  context: RequestContext,
  response: ApiResponse,
) => ApiResponse | Promise<ApiResponse>)[] = [
  present,
  ({ request }, response) => compressed(response, request.headers['accept-encoding']),
];

const authorizeUser: Handler = (context, next) => {
  const attributes = attributesOf(context.user, context.info);
  const decision = context.server.authorizer.decide(attributes);
  const goOn = (made: Decision): ApiResponse | Promise<ApiResponse> =>
    answerInstead(context, attributes, made) ?? next();
  // Most decisions are made at once.
  return decision instanceof Promise ? decision.then(goOn) : Promise.resolve(goOn(decision));
};

/** What is said to who may not go on. */
function answerInstead(
  context: RequestContext,
  attributes: Attributes,
  decision: Decision,
): ApiResponse | undefined {
  const { answer, reason = '', error } = decision;
  context.annotations?.set('authorization.k8s.io/decision', answer === 'allow' ? 'allow' : 'forbid');
  context.annotations?.set('authorization.k8s.io/reason', reason);
  if (answer === 'allow') return undefined;
  if (error === undefined) {
    context.headers = { ...context.headers, ...UNSNIFFED };
    throw refusal(attributes, decision);
  }
  context.annotations?.set('authorization.k8s.io/reason', 'internal error');
  return undecided(context.request.url, error);
}

/** Nobody has allowed it, and somebody who might have could not be asked: upstream says so as plain text. */
function undecided(url: string, why: string): ApiResponse {
  const text = `Internal Server Error: ${JSON.stringify(url)}: ${why}\n`;
  const headers = { 'content-type': 'text/plain; charset=utf-8', ...UNSNIFFED };
  return { status: 500, headers, body: Buffer.from(withoutMarkup(text)) };
}
