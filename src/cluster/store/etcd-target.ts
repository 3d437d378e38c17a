import { readFileSync } from 'node:fs';
import { errorMessage, PlatformError } from '../../base/errors.ts';

/** Where an etcd cluster is and how to talk to it: what `etcd://…` means. */
export interface EtcdTarget {
  /** `host:port` each. */
  readonly endpoints: readonly string[];
  /** Absent: in the clear. */
  readonly tls?: EtcdTlsFiles;
  /** Goes before every key; for several clusters in one etcd. */
  readonly prefix: string;
}

export interface EtcdTlsFiles {
  /** PEM files. Without `ca` the system's authorities are trusted. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** PEM texts. */
export interface EtcdTls {
  readonly ca?: Uint8Array;
  readonly cert?: Uint8Array;
  readonly key?: Uint8Array;
}

const DEFAULT_PORT = 2379;
const HINT = 'want etcd://host:port,host:port or etcds://host:port?ca=FILE&cert=FILE&key=FILE';

/**
 * Reads `etcd://host:port,host:port[?ca=…&cert=…&key=…&prefix=…]`. TLS with any certificate given, or by `etcds://`.
 * Not by URL: its hosts cannot be a list.
 */
export function parseEtcdUrl(text: string): EtcdTarget {
  const bad = (why: string): PlatformError =>
    new PlatformError('invalid', `datastore ${JSON.stringify(text)}: ${why}`, { hint: HINT });
  const match = /^(etcds?):\/\/([^/?#]*)\/?(?:\?([^#]*))?$/.exec(text);
  if (match === null) throw bad('is no address of an etcd');
  const [, scheme = '', hosts = '', query = ''] = match;
  const endpoints = hosts.split(',').map((host) => {
    const parts = /^(\[[0-9a-fA-F:.]+\]|[^:[\]@\s]+)(?::(\d+))?$/.exec(host);
    const port = Number(parts?.[2] ?? DEFAULT_PORT);
    if (parts === null || port < 1 || port > 65_535) throw bad(`${JSON.stringify(host)} is no host:port`);
    return `${parts[1]}:${port}`;
  });
  const values = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (!['ca', 'cert', 'key', 'prefix'].includes(name)) throw bad(`unknown setting ${JSON.stringify(name)}`);
    if (values.has(name)) throw bad(`${name} is given twice`);
    if (value === '') throw bad(`${name} is empty`);
    values.set(name, value);
  }
  const prefix = values.get('prefix') ?? '';
  if (prefix !== '' && (!prefix.startsWith('/') || prefix.endsWith('/')))
    throw bad(`prefix ${JSON.stringify(prefix)}: want a leading slash and none at the end`);
  if (values.has('cert') !== values.has('key')) throw bad('cert and key go together');
  const files: EtcdTlsFiles = Object.fromEntries([...values].filter(([name]) => name !== 'prefix'));
  const encrypted = scheme === 'etcds' || Object.keys(files).length > 0;
  return { endpoints, prefix, ...(encrypted && { tls: files }) };
}

/** Reads the certificates; errors name the file. */
export function readTlsFiles(files: EtcdTlsFiles): EtcdTls {
  const read = (setting: string, path: string | undefined): Record<string, Uint8Array> => {
    if (path === undefined) return {};
    try {
      return { [setting]: readFileSync(path) };
    } catch (error) {
      throw new PlatformError('invalid', `datastore: ${setting} ${path}: ${errorMessage(error)}`, {
        cause: error,
      });
    }
  };
  return { ...read('ca', files.ca), ...read('cert', files.cert), ...read('key', files.key) };
}
