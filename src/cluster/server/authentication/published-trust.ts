/**
 * `kube-system/extension-apiserver-authentication`: what a server behind this one must know to recognize its clients, and
 * this server when it passes their requests on. What others have added to it stays.
 */
import { isJsonObject, stringAt, type JsonObject } from '../../api/json.ts';
import type { ServerParts } from '../context.ts';
import type { KubeObject } from '../object.ts';
import { createOwn } from '../writes/own-objects.ts';
import { PROXY_NAMES } from './front-proxy.ts';

/** PEM bundles. */
export interface ClientTrust {
  readonly clientCa: string;
  readonly requestHeaderCa: string;
}

const REF = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };
const LISTS: Readonly<Record<string, readonly string[]>> = {
  'requestheader-allowed-names': PROXY_NAMES,
  'requestheader-extra-headers-prefix': ['X-Remote-Extra-'],
  'requestheader-group-headers': ['X-Remote-Group'],
  'requestheader-uid-headers': ['X-Remote-Uid'],
  'requestheader-username-headers': ['X-Remote-User'],
};

export async function publishTrust(parts: ServerParts, trust: ClientTrust): Promise<void> {
  const resource = parts.resources.get('', 'v1', 'configmaps');
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...REF }, data: dataOf(trust, {}) };
  if (await createOwn(parts, ['', 'configmaps'], object)) return;
  await parts.registry.modify(resource, REF, {
    change: (object: KubeObject) => {
      const data = isJsonObject(object['data']) ? object['data'] : {};
      return { type: 'put', object: { ...object, data: dataOf(trust, data) } };
    },
  });
}

function dataOf({ clientCa, requestHeaderCa }: ClientTrust, present: JsonObject): JsonObject {
  const lists = Object.entries(LISTS).map(([key, values]): [string, string] => [
    key,
    JSON.stringify([...new Set([...namesIn(stringAt(present, key)), ...values])]),
  ]);
  return {
    ...present,
    'client-ca-file': withBundle(stringAt(present, 'client-ca-file'), clientCa),
    'requestheader-client-ca-file': withBundle(
      stringAt(present, 'requestheader-client-ca-file'),
      requestHeaderCa,
    ),
    ...Object.fromEntries(lists),
  };
}

function withBundle(present: string, own: string): string {
  if (present.includes(own.trim())) return present;
  return present.trim() === '' ? own : `${present.trimEnd()}\n${own}`;
}

function namesIn(text: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(text === '' ? '[]' : text);
    return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
  } catch {
    // Somebody has broken it: ours are what it takes to work.
    return [];
  }
}
