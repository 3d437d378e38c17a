/** Words for connections that fail, as people know them from Kubernetes' events: its messages are those of Go's `net`. */

const CONNECT: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  EHOSTUNREACH: 'no route to host',
  EHOSTDOWN: 'host is down',
  ENETUNREACH: 'network is unreachable',
  ETIMEDOUT: 'connection timed out',
  ECONNRESET: 'connection reset by peer',
  EADDRNOTAVAIL: 'cannot assign requested address',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
};

/** `host:port`, IPv6 in brackets. */
export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** What went wrong with a TCP connection to `to`; `from` is our end, once connected. */
export function dialError(
  error: NodeJS.ErrnoException,
  to: { readonly host: string; readonly port: number },
  from?: string,
): string {
  const { code = '', message } = error;
  const remote = hostPort(to.host, to.port);
  if (code === 'ENOTFOUND') return `dial tcp: lookup ${to.host}: no such host`;
  if (code === 'EPROTO' && message.includes('wrong version number'))
    return 'http: server gave HTTP response to HTTPS client';
  if (from === undefined) {
    return `dial tcp ${remote}: ${code in CONNECT ? `connect: ${CONNECT[code]}` : message}`;
  }
  // Node reports an end of the stream before the answer with the same code as a reset, but without a system call.
  if (code === 'ECONNRESET') {
    return error.syscall === undefined
      ? 'EOF'
      : `read tcp ${from}->${remote}: read: connection reset by peer`;
  }
  if (code === 'EPIPE') return `write tcp ${from}->${remote}: write: broken pipe`;
  return message;
}
