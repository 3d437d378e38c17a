import type { Duplex } from 'node:stream';

/**
 * How a request reaches an API server: over HTTPS, or by a function call in the same process. The server implements
 * it, the client consumes it; neither knows the other.
 */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD' | 'OPTIONS';
  /** Path with query, as on the wire: `/api/v1/namespaces/default/pods?watch=true`. */
  readonly url: string;
  /** Lower-case names. `upgrade` is there only when the connection can change its protocol. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Who asks is in this process, and changes nothing of what it reads: it may be told what a watch says (told-events.ts). */
  readonly isLocal?: true;
  /** Aborted when the caller goes away. */
  readonly signal?: AbortSignal;
}

export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Whole bytes, or a stream for watches and followed logs. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  /**
   * With status 101: takes the connection once the head is sent, and ends it. `body` is empty then. Whoever cannot hand
   * one over calls it with nothing else than a destroyed stream, so that what waits behind it is let go.
   */
  readonly tunnel?: (connection: Duplex) => void;
}

export interface Transport {
  request(request: ApiRequest): Promise<ApiResponse>;
}

/** Who is asking, once known. */
export interface UserInfo {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}
