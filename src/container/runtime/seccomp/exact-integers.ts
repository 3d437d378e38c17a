/** JSON with whole numbers beyond 2^53: seccomp values and resource limits are 64 bits wide in config.json. */

/** A reviver for `JSON.parse`: a whole number that a double cannot hold comes as a bigint, everything else as ever. */
export function exactIntegers(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const source = context?.source;
  return source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/**
 * `JSON.parse` with `exactIntegers`. A reviver costs several times the parsing itself, so it is used only where the text
 * has 16 digits in a row.
 */
export function parseExact(text: string): unknown {
  return /\d{16}/.test(text) ? JSON.parse(text, exactIntegers) : JSON.parse(text);
}
