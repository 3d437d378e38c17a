/**
 * What Go makes of texts that are no good UTF-8: each byte that belongs to no character is U+FFFD, and so is each escape
 * of half a surrogate pair. (The web's decoders write one U+FFFD for all bytes of a character that is cut off.)
 */
import { yieldToLoop } from '../../base/yield-to-loop.ts';

/** A byte order mark is no JSON. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** In bytes as Latin 1: a character of several bytes (The Unicode Standard, table 3-7), or a byte of none. */
const CHARACTER =
  /([\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})|[\x80-\xff]/g;
const REPLACEMENT = Buffer.from('\ufffd').toString('latin1');

export function goUtf8(bytes: Uint8Array): string {
  return decoded(bytes) ?? repaired(bytes);
}

/** Bytes that are repaired in one go: of the worst they take half a millisecond. */
const SLICE = 8 * 1024;

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

function repaired(bytes: Uint8Array): string {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  const repairs = source.replace(CHARACTER, (_all, good?: string) => good ?? REPLACEMENT);
  return Buffer.from(repairs, 'latin1').toString('utf8');
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
