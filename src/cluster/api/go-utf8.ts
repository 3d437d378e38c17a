/**
 * What Go makes of texts that are no good UTF-8: each byte that belongs to no character is U+FFFD, and so is each escape
 * of half a surrogate pair. (The web's decoders write one U+FFFD for all bytes of a character that is cut off.)
 */
import { yieldToLoop } from '../../base/yield-to-loop.ts';

/** A byte order mark is no JSON. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function goUtf8(bytes: Uint8Array): string {
  return decoded(bytes) ?? repaired(bytes);
}

/** Bytes that are repaired in one go: of the worst they take half a millisecond. */
const SLICE = 32 * 1024;

/** As `goUtf8`, of many bytes: where they need repair, it goes a slice at a time. */
export async function goUtf8InSlices(bytes: Uint8Array): Promise<string> {
  const good = decoded(bytes);
  if (good !== undefined) return good;
  let text = '';
  for (let at = 0, end: number; at < bytes.length; at = end) {
    end = at + SLICE;
    // No character is cut: three bytes may continue it.
    for (let more = 0; more < 3 && (bytes[end] ?? 0) >> 6 === 0b10; more++) end++;
    text += repaired(bytes.subarray(at, end));
    await yieldToLoop();
  }
  return text;
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

const REPLACEMENT = Buffer.from('\ufffd');

function repaired(bytes: Uint8Array): string {
  const target = Buffer.allocUnsafe(bytes.length * REPLACEMENT.length);
  let to = 0;
  for (let at = 0; at < bytes.length;) {
    const end = at + widthAt(bytes, at);
    if (end > at) while (at < end) target[to++] = bytes[at++]!;
    else {
      for (const byte of REPLACEMENT) target[to++] = byte;
      at++;
    }
  }
  return target.toString('utf8', 0, to);
}

/** Of the character that begins here, in bytes (The Unicode Standard, table 3-7); 0 where none does. */
function widthAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  const second = bytes[at + 1] ?? 0;
  if (second < least || second > most) return 0;
  const width = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  for (let more = 2; more < width; more++) if ((bytes[at + more] ?? 0) >> 6 !== 0b10) return 0;
  return width;
}

const HALF = /\\u[dD][89a-fA-F]/;
/** An escaped pair, half of one, or another escape. */
const ESCAPE =
  /\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|(u[dD][89a-fA-F][\da-fA-F]{2})|[^])/g;

/** A JSON text in which no escape is half of a pair. */
export function withoutHalves(json: string): string {
  if (!HALF.test(json)) return json;
  return json.replace(ESCAPE, (all, half?: string) => (half === undefined ? all : '\\ufffd'));
}
