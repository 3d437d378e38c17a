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
  const text = JSON.stringify({ kind, apiVersion, metadata: stored, ...rest });
  // Not from Buffer's pool: what is stored stays, and would keep a whole slab of short-lived neighbours with it.
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Length of what `spliceInto` writes. Revision 0 is that of an object which was never written (dry run): it has none. */
export function splicedLength(stored: Uint8Array, revision: number): number {
  return stored.length + (revision === 0 ? 0 : 21 + String(revision).length);
}

/** Writes the stored bytes with `resourceVersion` as metadata's first field; returns where they end. */
export function spliceInto(
  target: Buffer,
  at: number,
  { stored, revision }: { readonly stored: Uint8Array; readonly revision: number },
): number {
  const bytes = bufferOf(stored);
  const head = bytes.indexOf(METADATA) + METADATA.length;
  bytes.copy(target, at, 0, head);
  let end = at + head;
  if (revision > 0) end += target.write(`"resourceVersion":"${revision}",`, end, 'latin1');
  bytes.copy(target, end, head);
  return end + bytes.length - head;
}

/** The stored bytes with `resourceVersion` as metadata's first field. */
export function withVersion(stored: Uint8Array, revision: number): Uint8Array {
  const target = Buffer.allocUnsafe(splicedLength(stored, revision));
  spliceInto(target, 0, { stored, revision });
  return target;
}

/** The object that stored bytes hold, with its version. */
export function decodeStored(stored: Uint8Array, revision: number): KubeObject {
  const object = JSON.parse(bufferOf(stored).toString('utf8')) as KubeObject;
  if (revision > 0) object.metadata.resourceVersion = String(revision);
  return object;
}

const COMMA = Buffer.from(',');

export interface ListHead {
  readonly kind: string;
  readonly apiVersion: string;
  readonly revision: number;
  readonly continueToken?: string | undefined;
  readonly remaining?: number | undefined;
}

export function listMetadata(head: ListHead): Record<string, unknown> {
  const metadata: Record<string, unknown> = { resourceVersion: String(head.revision) };
  if (head.continueToken !== undefined) metadata['continue'] = head.continueToken;
  if (head.remaining !== undefined) metadata['remainingItemCount'] = head.remaining;
  return metadata;
}

/** What stands before the first item, and after the last. */
export function listFrame(head: ListHead): { readonly open: Buffer; readonly close: Buffer } {
  const { kind, apiVersion } = head;
  const text = JSON.stringify({ kind, apiVersion, metadata: listMetadata(head) });
  return { open: Buffer.from(`${text.slice(0, -1)},"items":[`), close: Buffer.from(']}\n') };
}

/** A list body: head and tail around the items' bytes. */
export function encodeList(options: ListHead & { readonly items: readonly Uint8Array[] }): Uint8Array {
  const { open, close } = listFrame(options);
  const parts: Uint8Array[] = [open];
  options.items.forEach((item, i) => {
    if (i > 0) parts.push(COMMA);
    parts.push(item);
  });
  parts.push(close);
  return Buffer.concat(parts);
}

/** One frame of a JSON watch stream. */
export function encodeFrame(type: string, object: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`{"type":"${type}","object":`), object, Buffer.from('}\n')]);
}
