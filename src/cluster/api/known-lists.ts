/**
 * Long lists that were read before, found by their text. A deployment of thousands of variables, its replica sets, their
 * pods and every later state of each have the same list: it is read once, and written as it was read.
 */
import type { JsonValue } from './json.ts';

/** Characters of all that is known: of some twenty objects that are as long as they may be. */
const MAX_CHARACTERS = 16 * 1024 * 1024;
/** Each is compared with every long list that is met. */
const MAX_LISTS = 32;

interface Known {
  readonly text: string;
  /** Shared by all who have read it: nobody changes it. */
  readonly list: WeakRef<JsonValue[]>;
}

/** Those that were met last come first. */
let known: Known[] = [];

/** Whether there are any. */
export function hasKnownLists(): boolean {
  return known.some(({ list }) => list.deref() !== undefined);
}

/** The list whose text begins there, and the text's length. */
export function knownListAt(
  text: string,
  at: number,
): { readonly list: JsonValue[]; readonly length: number } | undefined {
  for (const one of known) {
    const { length } = one.text;
    const list = text.slice(at, at + length) === one.text ? one.list.deref() : undefined;
    if (list === undefined) continue;
    if (known[0] !== one) known = [one, ...known.filter((other) => other !== one)];
    return { list, length };
  }
  return undefined;
}

/** The text of a list that is known. */
export function knownText(list: readonly JsonValue[]): string | undefined {
  return known.find((one) => one.list.deref() === list)?.text;
}

export function rememberList(list: JsonValue[], text: string): void {
  // A copy: a part of a text holds the whole of it.
  const own = Buffer.from(text).toString();
  let characters = own.length;
  const others = known.filter((one) => {
    characters += one.text.length;
    return characters <= MAX_CHARACTERS && one.list.deref() !== undefined;
  });
  known = [{ text: own, list: new WeakRef(list) }, ...others].slice(0, MAX_LISTS);
}
