/** Where a text stops being JSON (RFC 8259). The engine's own parser tells the place of some mistakes only. */

const TOKEN =
  /[ \t\n\r]*(?:([{}[\],:])|("(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|(?:true|false|null)\b))/uy;

/** What may come next; `key` and `item` are where the closing bracket may come too. */
type Expectation = 'value' | 'item' | 'key' | 'next key' | 'colon' | 'after';

/** Index of the first character that cannot be there; the length of the text when it ends too early. */
export function jsonErrorIndex(text: string): number {
  const open: ('{' | '[')[] = [];
  let expected: Expectation = 'value';
  let at = 0;
  for (;;) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    const start =
      match === null ? skipBlank(text, at) : TOKEN.lastIndex - (match[1] ?? match[2] ?? match[3]!).length;
    const next: Expectation | undefined = match === null ? undefined : follow(match, expected, open);
    if (next === undefined) return start;
    expected = next;
    at = TOKEN.lastIndex;
  }
}

function skipBlank(text: string, at: number): number {
  while (at < text.length && ' \t\n\r'.includes(text[at]!)) at++;
  return at;
}

/** `undefined` when the token cannot stand there. */
function follow(match: RegExpExecArray, expected: Expectation, open: ('{' | '[')[]): Expectation | undefined {
  const [, mark, string] = match;
  const inside = open.at(-1);
  const isValue = expected === 'value' || expected === 'item';
  if (mark === undefined) {
    if (string !== undefined && (expected === 'key' || expected === 'next key')) return 'colon';
    return isValue ? 'after' : undefined;
  }
  if (mark === ':') return expected === 'colon' ? 'value' : undefined;
  if (mark === ',') {
    if (expected !== 'after' || inside === undefined) return undefined;
    return inside === '{' ? 'next key' : 'value';
  }
  if (mark === '{' || mark === '[') {
    if (!isValue) return undefined;
    open.push(mark);
    return mark === '{' ? 'key' : 'item';
  }
  const closes = mark === '}' ? '{' : '[';
  const mayClose = expected === 'after' || expected === (mark === '}' ? 'key' : 'item');
  if (inside !== closes || !mayClose) return undefined;
  open.pop();
  return 'after';
}
