/**
 * The storage encoding (design §3.9): JSON whose head is always `{"kind":K,"apiVersion":V,"metadata":{`, without
 * resourceVersion. The version of an object is its key's modRevision, spliced in behind that head on the way out,
 * so that answering never parses or re-encodes an object.
 */
import type { KubeObject } from './object.ts';

const METADATA = Buffer.from(',"metadata":{');

/** Bytes to store. Metadata must have at least one field besides resourceVersion (it always has a name). */
export function encodeForStorage(object: KubeObject): Uint8Array {
  const { kind, apiVersion, metadata, ...rest } = object;
  const { resourceVersion: _version, ...stored } = metadata;
  return Buffer.from(JSON.stringify({ kind, apiVersion, metadata: stored, ...rest }));
}

/** The stored bytes with `resourceVersion` as metadata's first field. */
export function withVersion(stored: Uint8Array, revision: number): Uint8Array {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const head = bytes.indexOf(METADATA) + METADATA.length;
  return Buffer.concat([
    bytes.subarray(0, head),
    Buffer.from(`"resourceVersion":"${revision}",`),
    bytes.subarray(head),
  ]);
}

/** The object that stored bytes hold, with its version. */
export function decodeStored(stored: Uint8Array, revision: number): KubeObject {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const object = JSON.parse(bytes.toString('utf8')) as KubeObject;
  object.metadata.resourceVersion = String(revision);
  return object;
}

const COMMA = Buffer.from(',');

/** A list body: head and tail around the items' bytes. */
export function encodeList(options: {
  kind: string;
  apiVersion: string;
  revision: number;
  items: readonly Uint8Array[];
  continueToken?: string | undefined;
  remaining?: number | undefined;
}): Uint8Array {
  const metadata: Record<string, unknown> = { resourceVersion: String(options.revision) };
  if (options.continueToken !== undefined) metadata['continue'] = options.continueToken;
  if (options.remaining !== undefined) metadata['remainingItemCount'] = options.remaining;
  const head = { kind: options.kind, apiVersion: options.apiVersion, metadata };
  const parts: Uint8Array[] = [Buffer.from(`${JSON.stringify(head).slice(0, -1)},"items":[`)];
  options.items.forEach((item, i) => {
    if (i > 0) parts.push(COMMA);
    parts.push(item);
  });
  parts.push(Buffer.from(']}\n'));
  return Buffer.concat(parts);
}

/** One frame of a JSON watch stream. */
export function encodeFrame(type: string, object: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`{"type":"${type}","object":`), object, Buffer.from('}\n')]);
}
