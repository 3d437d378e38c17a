/**
 * What a chunk of a watch says, for who reads it in the process that writes it: what the server holds decoded is not
 * parsed again. The bytes say the same, and who does not ask reads them.
 */
import type { JsonObject } from './json.ts';

export interface ToldEvent {
  readonly type: string;
  /** The server's own: nobody changes it. */
  readonly object: JsonObject;
}

const told = new WeakMap<Uint8Array, readonly ToldEvent[]>();

/** `events` are all that the chunk says. */
export function tell(chunk: Uint8Array, events: readonly ToldEvent[]): void {
  told.set(chunk, events);
}

/** Undefined where the bytes have to be read. */
export function toldBy(chunk: Uint8Array): readonly ToldEvent[] | undefined {
  return told.get(chunk);
}
