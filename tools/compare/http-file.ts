/**
 * Requests as the HTTP clients of editors write them: parts that begin with `###` and a title, each of a request line, headers
 * up to an empty line, and a body. `{{name}}` is a value that was given, `{{title:path.to.value}}` comes from the answer to
 * an earlier request of that title, `{{0xff}}` in a body is that byte (or those). A header may come several times. Lines that begin with `#` are comments. Headers that are not sent: `compare: head` leaves out the
 * body, `compare: nothing` all of the answer, `until: 403` asks again until that is the status.
 */
import type { Question } from './ask.ts';
import type { Json } from './mutations.ts';

export interface HttpRequest {
  readonly title: string;
  /** Number in the file. */
  readonly line: number;
  /** The request line: method and path. */
  readonly head: string;
  readonly headers: Question['headers'] & object;
  readonly body: string;
  /** What of the answers is compared. */
  readonly shown: 'all' | 'head' | 'nothing';
  readonly until?: number;
}

/** By title. */
export type Answers = Map<string, Json>;

export function parseHttpFile(text: string): readonly HttpRequest[] {
  const requests: HttpRequest[] = [];
  let number = 1;
  for (const part of text.split(/^###/m)) {
    const line = number;
    number += part.split('\n').length - 1;
    const [title = '', ...rest] = part.split('\n');
    const lines = rest.filter((each) => !each.startsWith('# '));
    const from = lines.findIndex((each) => each !== '');
    if (from === -1) continue;
    const gap = lines.indexOf('', from);
    const end = gap === -1 ? lines.length : gap;
    const sent: Record<string, string | readonly string[]> = {};
    for (const [name, value] of lines.slice(from + 1, end).map((each) => headerOf(each)))
      sent[name] = sent[name] === undefined ? value : [sent[name], value].flat();
    const { compare = 'all', until, ...headers } = sent;
    requests.push({
      title: title.trim(),
      line,
      head: lines[from]!,
      headers,
      body: lines
        .slice(end + 1)
        .join('\n')
        .trim(),
      shown: compare as HttpRequest['shown'],
      ...(until !== undefined && { until: Number(until) }),
    });
  }
  return requests;
}

/** In their order, together where none changes anything and none needs what another one answers. */
export function independent(requests: readonly HttpRequest[]): readonly (readonly HttpRequest[])[] {
  const batches: HttpRequest[][] = [];
  let titles = new Set<string>();
  let open = false;
  for (const request of requests) {
    // The options of a DELETE are those of its body, if it has one.
    const reads =
      /^(GET|HEAD|OPTIONS) \//.test(request.head) || /^(POST|PUT|PATCH) .*dryRun=All/.test(request.head);
    const needs = JSON.stringify(request).matchAll(/\{\{([^{}]+):/g);
    const together = open && reads && ![...needs].some(([, title = '']) => titles.has(title));
    if (together) batches.at(-1)!.push(request);
    else {
      batches.push([request]);
      titles = new Set();
    }
    titles.add(request.title);
    open = reads;
  }
  return batches;
}

function headerOf(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}

export function filledIn(
  { head, headers, body }: HttpRequest,
  about: { readonly given: Readonly<Record<string, string>>; readonly answers: Answers },
): Question {
  const fill = (text: string): string =>
    text.replace(/\{\{([^{}]+)\}\}/g, (_all, name: string) => valueOf(name, about));
  const [method = 'GET', ...path] = fill(head).split(' ');
  const filled = Object.entries(headers).map(([name, value]) => [
    name,
    typeof value === 'string' ? fill(value) : value.map((each) => fill(each)),
  ]);
  return {
    method,
    path: path.join('%20'),
    body: Buffer.concat(
      body
        .split(/\{\{0x([0-9a-f]+)\}\}/)
        .map((part, index) => (index % 2 === 0 ? Buffer.from(fill(part)) : Buffer.from(part, 'hex'))),
    ),
    headers: Object.fromEntries(filled) as HttpRequest['headers'],
  };
}

function valueOf(
  name: string,
  { given, answers }: { readonly given: Readonly<Record<string, string>>; readonly answers: Answers },
): string {
  const [title = '', path] = name.split(':');
  if (path === undefined) return given[title] ?? '';
  let value: unknown = answers.get(title);
  for (const key of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[key];
  return value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
}
