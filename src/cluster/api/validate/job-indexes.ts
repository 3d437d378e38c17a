/** Indexes of an indexed job as its status writes them: `1,3-5`. */

export interface Interval {
  readonly first: number;
  readonly last: number;
}

/** An interval, or what is wrong with it. */
export function parseInterval(text: string, completions: number): Interval | string {
  const limits = text.split('-');
  if (limits.length > 2) {
    return `the fragment ${JSON.stringify(text)} violates the requirement that an index interval can have at most two parts separated by '-'`;
  }
  const numbers: number[] = [];
  for (const limit of limits) {
    if (!/^\+?\d+$/.test(limit))
      return `cannot convert string to integer for index: ${JSON.stringify(limit)}`;
    const index = Number(limit);
    if (index >= completions) return `too large index: ${JSON.stringify(limit)}`;
    numbers.push(index);
  }
  const [first = 0, last = first] = numbers;
  return numbers.length === 2 && first >= last
    ? `non-increasing order, previous: ${first}, current: ${last}`
    : { first, last };
}

/** How many there are, or what is wrong with them. */
export function countIndexes(text: string, completions: number): number | string {
  let last: number | undefined;
  let total = 0;
  for (const part of text === '' ? [] : text.split(',')) {
    const interval = parseInterval(part, completions);
    if (typeof interval === 'string') return interval;
    if (last !== undefined && last >= interval.first) {
      return `non-increasing order, previous: ${last}, current: ${interval.first}`;
    }
    total += interval.last - interval.first + 1;
    ({ last } = interval);
  }
  return total;
}

/** The first index that is in both; intervals that are none are somebody else's complaint. */
export function firstCommon(one: string, other: string, completions: number): number | undefined {
  const [a, b] = [one, other].map((text) =>
    text
      .split(',')
      .map((part) => parseInterval(part, completions))
      .filter((interval) => typeof interval !== 'string'),
  ) as [Interval[], Interval[]];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const [x, y] = [a[i], b[j]] as [Interval, Interval];
    if (x.first <= y.last && y.first <= x.last) return Math.max(x.first, y.first);
    if (x.first <= y.first) i++;
    else j++;
  }
  return undefined;
}
