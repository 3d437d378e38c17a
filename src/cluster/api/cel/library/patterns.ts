/** Regular expressions as Go writes them (RE2), run by JavaScript's engine. */
import { CelError } from '../cel-error.ts';

const MAX_KEPT = 1000;
const known = new Map<string, RegExp>();

const CLASSES: Readonly<Record<string, string>> = {
  alnum: 'A-Za-z0-9',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7F',
  blank: '\\t ',
  cntrl: '\\x00-\\x1F\\x7F',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@[-`{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: 'A-Za-z0-9_',
  xdigit: '0-9A-Fa-f',
};

/** Go's spelling in ours. What JavaScript has and RE2 has not is refused: look-around and back references. */
export function goPattern(text: string): RegExp {
  const found = known.get(text);
  if (found !== undefined) return found;
  if (/\(\?(<?[=!])/.test(text) || /(^|[^\\])(\\\\)*\\[1-9]/.test(text)) {
    throw new CelError(`error parsing regexp: invalid or unsupported Perl syntax: ${text}`);
  }
  const flags = /^\(\?([ims]+)\)/.exec(text);
  const body = (flags === null ? text : text.slice(flags[0].length))
    .replaceAll(/\\Q([^]*?)(?:\\E|$)/g, (_all, literal: string) =>
      literal.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&'),
    )
    .replaceAll(/\[:(\^?)(\w+):\]/g, (all, _not, name: string) => CLASSES[name] ?? all)
    .replaceAll('(?P<', '(?<')
    .replaceAll(/\\z/g, '$(?![^])')
    .replaceAll(/\\A/g, '(?<![^])')
    .replaceAll(/\\p([A-Z])/g, '\\p{$1}')
    .replaceAll(/\\P([A-Z])/g, '\\P{$1}');
  const made = compiled(body, flags?.[1] ?? '', text);
  if (known.size >= MAX_KEPT) known.clear();
  known.set(text, made);
  return made;
}

function compiled(body: string, flags: string, text: string): RegExp {
  // With `u` first; older habits like `\-` outside of classes need the lenient reading.
  for (const mode of [`u${flags}`, flags]) {
    try {
      return new RegExp(body, mode);
    } catch {
      // The next mode may take it.
    }
  }
  throw new CelError(`error parsing regexp: ${text}`);
}

export function matchesPattern(text: string, pattern: string): boolean {
  return goPattern(pattern).test(text);
}

export function findAll(text: string, pattern: string, limit: number): readonly string[] {
  const { source, flags } = goPattern(pattern);
  const found: string[] = [];
  for (const match of text.matchAll(new RegExp(source, `${flags}g`))) {
    if (limit >= 0 && found.length >= limit) break;
    found.push(match[0]);
  }
  return found;
}
