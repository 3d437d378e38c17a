/** What Go's parser says of the directives that a YAML text begins with: it knows those of YAML 1.1 alone. */
import { parserProblem, scannerProblem } from './yaml-problem.ts';

const MAX_DIGITS = 2;
/** Of what stands after the name of a directive. */
const ARGUMENTS: Readonly<Record<string, (text: string, seen: Set<string>) => Problem>> = {
  YAML: version,
  TAG: tag,
};

/** `parser`: it is wrong where it stands, and well written. `rest`: what comes after it. */
type Problem = { readonly scanner: string } | { readonly parser: string } | { readonly rest: string };

/** Undefined where there are none, or nothing is wrong with them. */
export function directiveProblem(text: string): string | undefined {
  if (!/^(?:[ \t]*(?:#.*)?\n)*%/.test(text)) return undefined;
  const seen = new Set<string>();
  for (const [index, line] of text.split('\n', 1000).entries()) {
    if (line.startsWith('%')) {
      const problem = problemOf(line.replace(/\r$/, ''), seen);
      if (problem !== undefined && 'scanner' in problem) return scannerProblem(index + 1, problem.scanner);
      if (problem !== undefined) return parserProblem(index, problem.parser);
    } else if (!/^\s*(?:#.*)?$/.test(line)) {
      const begins = /^---(?:\s|$)/.test(line);
      return begins ? undefined : parserProblem(index, 'did not find expected <document start>');
    }
  }
  return undefined;
}

function problemOf(line: string, seen: Set<string>): Exclude<Problem, { readonly rest: string }> | undefined {
  const name = /^%([\w-]*)/.exec(line)![1]!;
  const text = line.slice(1 + name.length);
  if (name === '') return { scanner: 'could not find expected directive name' };
  if (!/^(?:\s|$)/.test(text)) return { scanner: 'found unexpected non-alphabetical character' };
  const read = Object.hasOwn(ARGUMENTS, name) ? ARGUMENTS[name] : undefined;
  if (read === undefined) return { scanner: 'found unknown directive name' };
  const found = read(text.trimStart(), seen);
  if (!('rest' in found)) return found;
  return /^\s*(?:#.*)?$/.test(found.rest)
    ? undefined
    : { scanner: 'did not find expected comment or line break' };
}

function version(text: string, seen: Set<string>): Problem {
  const [whole, major = '', dot = '', minor = ''] = /^(\d*)(?:(\.)(\d*))?/.exec(text)!;
  if ([major, minor].some(({ length }) => length > MAX_DIGITS))
    return { scanner: 'found extremely long version number' };
  if (major === '' || (dot !== '' && minor === ''))
    return { scanner: 'did not find expected version number' };
  if (dot === '') return { scanner: "did not find expected digit or '.' character" };
  const rest = text.slice(whole.length);
  if (!/^\s*(?:#.*)?$/.test(rest)) return { rest };
  if (seen.has('%YAML')) return { parser: 'found duplicate %YAML directive' };
  if (Number(major) !== 1 || Number(minor) !== 1) return { parser: 'found incompatible YAML document' };
  seen.add('%YAML');
  return { rest };
}

function tag(text: string, seen: Set<string>): Problem {
  const handle = /^!(?:[\w-]*!)?/.exec(text)?.[0];
  if (handle === undefined || /^![\w-]/.test(text.slice(handle.length - 1)))
    return { scanner: "did not find expected '!'" };
  const after = text.slice(handle.length);
  if (!/^\s/.test(after)) return { scanner: 'did not find expected whitespace' };
  const prefix = /^\s*[\w\-;/?:@&=+$,.!~*'()[\]%]*/.exec(after)![0];
  if (prefix.trim() === '') return { scanner: 'did not find expected tag URI' };
  const rest = after.slice(prefix.length);
  if (!/^(?:\s|$)/.test(rest)) return { scanner: 'did not find expected whitespace or line break' };
  if (seen.has(handle)) return { parser: 'found duplicate %TAG directive' };
  seen.add(handle);
  return { rest };
}
