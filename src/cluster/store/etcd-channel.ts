/** gRPC to an etcd cluster: one channel an endpoint, calls on the one that last answered, the others when it does not. */
import {
  Client,
  connectivityState,
  credentials,
  Metadata,
  type ChannelOptions,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ServiceError,
} from '@grpc/grpc-js';
import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import type { BinaryWriter } from '@bufbuild/protobuf/wire';
import { sleep, type Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import { callFailure, etcdError, outcomeOf } from './etcd-errors.ts';
import type { EtcdTls } from './etcd-target.ts';
import { closed } from './requests.ts';

/** One of etcd's calls. */
export interface Method<Q, R> {
  /** `/etcdserverpb.KV/Range`. */
  readonly path: string;
  readonly encode: (request: Q) => BinaryWriter;
  readonly decode: (bytes: Uint8Array) => R;
}

export interface EtcdChannelOptions {
  /** `host:port` each, at least one. */
  readonly endpoints: readonly string[];
  readonly tls?: EtcdTls;
  readonly clock: Clock;
  /** How long one try of a call may take; 10,000 when absent. etcd itself gives up after about 7 s. */
  readonly callMs?: number;
  /** How long a call is tried again on the endpoints; 10,000 when absent. */
  readonly giveUpMs?: number;
}

const CALL_MS = 10_000;
const CONNECT_MS = 3000;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1000;

const CHANNEL: ChannelOptions = {
  // Whether a call is made again is decided here, by what it does.
  'grpc.enable_retries': 0,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2000,
  // A peer that is cut off says nothing; etcd refuses more than one ping in 5 s.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  // Pages of 1000 objects: node's 64 kB would stop for each.
  'grpc-node.flow_control_window': 4 * 1024 * 1024,
  // Tests run many clusters in one process: no sharing of connections between them.
  'grpc.use_local_subchannel_pool': 1,
};

export class EtcdChannel implements Disposable {
  readonly #clients: readonly { readonly endpoint: string; readonly client: Client }[];
  readonly #clock: Clock;
  readonly #callMs: number;
  readonly #giveUpMs: number;
  readonly #closing = new AbortController();
  #current = 0;

  constructor(options: EtcdChannelOptions) {
    const { endpoints, tls, clock } = options;
    this.#clients = endpoints.map((endpoint) => ({ endpoint, client: clientOf(endpoint, tls) }));
    this.#clock = clock;
    this.#callMs = options.callMs ?? CALL_MS;
    this.#giveUpMs = options.giveUpMs ?? CALL_MS;
  }

  /** Aborts when the channel is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  get endpoint(): string {
    return this.#clients[this.#current]!.endpoint;
  }

  /**
   * Calls `method`. What certainly has not happened is tried again, at each endpoint in turn, for ten seconds; what may
   * have happened is too when it is `repeatable`, and otherwise becomes an error with the code `timeout`. An error's
   * `details.repeated` says that an earlier try may have happened.
   */
  async call<Q, R>(
    method: Method<Q, R>,
    request: Q,
    { repeatable }: { readonly repeatable: boolean },
  ): Promise<R> {
    const end = this.#clock.monotonic() + this.#giveUpMs;
    let repeated = false;
    for (let tries = 0; ; tries++) {
      if (this.#closing.signal.aborted) throw closed();
      const at = this.#current;
      try {
        return await this.#once(method, request, at);
      } catch (error) {
        if (this.#closing.signal.aborted) throw closed();
        const failure = callFailure(error);
        const outcome = failure === undefined ? 'answered' : outcomeOf(failure);
        const about = { what: nameOf(method), endpoint: this.#clients[at]!.endpoint, repeated };
        if (outcome === 'answered' || (outcome === 'unknown' && !repeatable)) throw etcdError(error, about);
        repeated ||= outcome === 'unknown';
        this.#leave(at);
        // A round of all endpoints goes without a pause: the next one may well be there.
        const round = Math.floor((tries + 1) / this.#clients.length);
        const pause =
          (tries + 1) % this.#clients.length === 0
            ? Math.min(FIRST_PAUSE_MS * 2 ** (round - 1), LONGEST_PAUSE_MS)
            : 0;
        if (this.#clock.monotonic() + pause >= end) throw etcdError(error, about);
        if (pause > 0) await sleep(this.#clock, pause, this.#closing.signal).catch(() => {});
      }
    }
  }

  /** Opens a stream in both directions on an endpoint that is connected. It ends when its member loses the leader. */
  async duplex<Q, R>(method: Method<Q, R>): Promise<ClientDuplexStream<Q, R>> {
    const client = await this.#connected(this.#current);
    return client.makeBidiStreamRequest(method.path, encoder(method), decoder(method), withLeader());
  }

  /** Opens a stream of answers. */
  async download<Q, R>(method: Method<Q, R>, request: Q): Promise<ClientReadableStream<R>> {
    const client = await this.#connected(this.#current);
    return client.makeServerStreamRequest(method.path, encoder(method), decoder(method), request);
  }

  /** The endpoint that the next call goes to is another one than now. */
  next(): void {
    this.#leave(this.#current);
  }

  [Symbol.dispose](): void {
    this.#closing.abort();
    for (const { client } of this.#clients) client.close();
  }

  /** Only if nobody else has left it already: of many calls that fail together the first one moves on. */
  #leave(at: number): void {
    if (this.#current === at) this.#current = (at + 1) % this.#clients.length;
  }

  async #once<Q, R>(method: Method<Q, R>, request: Q, at: number): Promise<R> {
    const client = await this.#connected(at);
    return await new Promise<R>((resolve, reject) => {
      client.makeUnaryRequest(
        method.path,
        encoder(method),
        decoder(method),
        request,
        new Metadata(),
        { deadline: this.#clock.now() + this.#callMs },
        (error: ServiceError | null, answer?: R) => {
          if (error === null) resolve(answer!);
          else reject(error);
        },
      );
    });
  }

  /** Waits for a connection, so that a call's own time is not spent on it. One that has failed lets the call say why. */
  async #connected(at: number): Promise<Client> {
    if (this.#closing.signal.aborted) throw closed();
    const { client, endpoint } = this.#clients[at]!;
    const channel = client.getChannel();
    const end = this.#clock.now() + CONNECT_MS;
    for (;;) {
      const state = channel.getConnectivityState(true);
      if (state !== connectivityState.IDLE && state !== connectivityState.CONNECTING) return client;
      const changed = await new Promise<boolean>((resolve) => {
        channel.watchConnectivityState(state, end, (error) => resolve(error === undefined));
      });
      if (!changed)
        throw Object.assign(new Error('not connected'), {
          code: 14,
          details: `no connection to ${endpoint} within ${CONNECT_MS} ms`,
        });
    }
  }
}

function clientOf(endpoint: string, tls: EtcdTls | undefined): Client {
  if (tls === undefined) return new Client(endpoint, credentials.createInsecure(), CHANNEL);
  const pem = (value: Uint8Array | undefined): Buffer | null =>
    value === undefined ? null : Buffer.from(value);
  const host = endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  // An address cannot be a TLS server name (RFC 6066, section 3), and Node refuses what grpc-js asks for then: another name
  // is sent, and the certificate is checked for the address all the same.
  const byAddress = isIP(host) !== 0;
  const verify = byAddress
    ? { checkServerIdentity: (_: string, cert: PeerCertificate) => checkServerIdentity(host, cert) }
    : {};
  try {
    const trust = credentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert), verify);
    return new Client(endpoint, trust, {
      ...CHANNEL,
      ...(byAddress && { 'grpc.ssl_target_name_override': 'etcd' }),
    });
  } catch (error) {
    throw new PlatformError('invalid', 'datastore: the certificates cannot be used', { cause: error });
  }
}

/** A member that has lost the others must not go on as if nothing new came (etcd's rpctypes.MetadataRequireLeaderKey). */
function withLeader(): Metadata {
  const metadata = new Metadata();
  metadata.set('hasleader', 'true');
  return metadata;
}

function encoder<Q>(method: Method<Q, unknown>): (request: Q) => Buffer {
  return (request) => {
    const bytes = method.encode(request).finish();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function decoder<R>(method: Method<never, R>): (bytes: Buffer) => R {
  return (bytes) => method.decode(bytes);
}

function nameOf({ path }: { readonly path: string }): string {
  return path.slice(path.lastIndexOf('/') + 1).toLowerCase();
}
