/** What things cost by how large they are. Sizes and costs beyond 64 bits are taken to be the greatest that there is. */
export interface Size {
  readonly least: number;
  /** Characters of a text, bytes, elements of a list, entries of a map; 1 for everything else. */
  readonly most: number;
  /** Of one element, where all that is known is that it is one. */
  readonly element?: Size | undefined;
  /** The number itself, where it is written down. */
  readonly number?: number | undefined;
}

const GREATEST = 2 ** 64;

/** Nothing is known of it. */
export const UNKNOWN: Size = { least: 0, most: GREATEST };
export const SINGLE: Size = { least: 1, most: 1 };

export const exactly = (size: number): Size => ({ least: size, most: size });
export const atMost = (most: number): Size => ({ least: 0, most: limited(most) });

function limited(number: number): number {
  return Math.min(number, GREATEST);
}

export function joined(a: Size, b: Size): Size {
  return { least: limited(a.least + b.least), most: limited(a.most + b.most) };
}

export function repeated(a: Size, b: Size): Size {
  return { least: limited(a.least * b.least), most: limited(a.most * b.most) };
}

/** Large enough for either. */
export function covering(a: Size, b: Size): Size {
  return { least: Math.min(a.least, b.least), most: Math.max(a.most, b.most) };
}

/** So much for each character or element, rounded up. */
export function times({ most }: Size, factor: number): number {
  return limited(Math.ceil(most * factor));
}

/** Going once over a text costs a tenth of a unit a character. */
export const TRAVERSAL = 0.1;

export const traversal = (size: Size): number => times(size, TRAVERSAL);

/** Each four characters of a pattern are taken for one thing to look for, in a text that is never quite empty. */
export function matching(text: Size, pattern: Size): number {
  return limited(traversal(joined(text, SINGLE)) * times(pattern, 0.25));
}
/** Comparing goes as far as the smaller one. */
export function comparing(a: Size, b: Size): number {
  return times({ least: 0, most: Math.min(a.most, b.most) }, TRAVERSAL);
}

/** What literals cost to make. */
export const LIST_COST = 10;
export const MAP_COST = 30;
export const STRUCT_COST = 40;

/**
 * What going over a list or map costs besides its parts: once, and for each element. The functions are those that macros are
 * made of: a test whether to go on, the step with the result so far, and at the end the result.
 */
export const ITERATIONS: Readonly<Record<string, { readonly once: number; readonly each: number }>> = {
  all: { once: 1, each: 3 },
  exists: { once: 1, each: 4 },
  existsOne: { once: 2, each: 2 },
  filter: { once: LIST_COST + 1, each: LIST_COST + 3 },
  map: { once: LIST_COST + 1, each: LIST_COST + 2 },
  transformList: { once: LIST_COST + 1, each: LIST_COST + 2 },
  transformMap: { once: MAP_COST + 1, each: 3 },
  transformMapEntry: { once: MAP_COST + 1, each: 2 },
};
