/**
 * How a request reaches an API server: over HTTPS, or by a function call in the same process. The server implements
 * it, the client consumes it; neither knows the other.
 */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD' | 'OPTIONS';
  /** Path with query, as on the wire: `/api/v1/namespaces/default/pods?watch=true`. */
  readonly url: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Aborted when the caller goes away. */
  readonly signal?: AbortSignal;
}

export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Whole bytes, or a stream for watches and followed logs. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
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
