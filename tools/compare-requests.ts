/**
 * Sends two API servers the same requests, one after the other, and prints where their answers differ:
 *   node tools/compare-requests.ts --ours URL --theirs URL --token TOKEN FILE.http|SEEDS.yaml… [--ignore PATTERN] [--only PATTERN] [--show]
 * A file (compare/http-file.ts has its form) is a story that begins in two empty namespaces, `{{ns}}` and `{{other}}`; what it makes outside
 * of them has `{{run}}` in its name. Of a file of objects (compare/seeds) each is asked for in every shape (compare/every-shape.ts). Whatever it makes stays: the servers are for this and nothing else.
 * The other server is a kube-apiserver of one's own without controllers; both must know the token as that of an administrator.
 * Differences whose line matches the pattern do not count; with --show every request is printed as it is answered by both.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { parse as parseYaml } from 'yaml';
import { ask, hangUp, type Answer } from './compare/ask.ts';
import { everyShape, type Place } from './compare/every-shape.ts';
import { filledIn, parseHttpFile, type Answers, type HttpRequest } from './compare/http-file.ts';
import type { Json } from './compare/mutations.ts';
import { differences, normalized } from './compare/normalize.ts';

const HEADERS = [
  'content-type',
  'warning',
  'www-authenticate',
  'retry-after',
  'allow',
  'cache-control',
  'vary',
  'location',
  'x-content-type-options',
];
/** Those whose value is each server's own. */
const PRESENT = ['audit-id', 'etag', 'last-modified', 'x-kubernetes-pf-flowschema-uid'];

const { values: options, positionals: files } = parseArgs({
  allowPositionals: true,
  options: {
    ours: { type: 'string', default: '' },
    theirs: { type: 'string', default: '' },
    token: { type: 'string', default: '' },
    ignore: { type: 'string', default: '^$' },
    only: { type: 'string', default: '' },
    show: { type: 'boolean', default: false },
  },
});
if (options.ours === '' || options.theirs === '' || files.length === 0) {
  process.stderr.write(
    'usage: node tools/compare-requests.ts --ours URL --theirs URL --token TOKEN FILE.http…\n',
  );
  process.exit(2);
}
const servers = [options.ours, options.theirs] as const;
const ignored = new RegExp(options.ignore);
const only = new RegExp(options.only);
/** Names of two runs differ. */
const run = Date.now().toString(36);
let asked = 0;
let alike = 0;
for (const file of files) await tell(file);
hangUp();
process.stdout.write(`${alike} of ${asked} answers alike\n`);
process.exitCode = alike === asked ? 0 : 1;

async function tell(file: string): Promise<void> {
  const story = basename(file).replace(/\.[a-z]+$/, '');
  const given = { ns: `${story}-${run}`, other: `other-${run}`, run, token: options.token };
  const namespaces = [given.ns, given.other];
  for (const name of namespaces) {
    await both('POST', '/api/v1/namespaces', { metadata: { name } });
    await both('POST', `/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: 'default' } });
  }
  const remembered: readonly Answers[] = servers.map(() => new Map<string, Json>());
  const text = readFileSync(file, 'utf8');
  const requests = file.endsWith('.http') ? parseHttpFile(text) : await everyShape(text, placeOf);
  for (const request of requests) {
    const answers = await Promise.all(
      servers.map((server, i) => askOne(server, request, { given, answers: remembered[i]! })),
    );
    if (!only.test(`${request.title} ${request.head}`)) continue;
    compare(story, request, answers as [Answer, Answer]);
  }
}

/** Where the other server has a kind. */
async function placeOf(apiVersion: string, kind: string): Promise<Place | undefined> {
  const path = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const { body } = await ask(options.theirs, options.token, { method: 'GET', path });
  const { resources = [] } = (body ?? {}) as {
    readonly resources?: readonly {
      readonly name: string;
      readonly kind: string;
      readonly namespaced: boolean;
    }[];
  };
  const found = resources.find((one) => one.kind === kind && !one.name.includes('/'));
  if (found === undefined) return undefined;
  const hasStatus = resources.some(({ name }) => name === `${found.name}/status`);
  return { resource: found.name, namespaced: found.namespaced, hasStatus };
}

async function askOne(
  server: string,
  request: HttpRequest,
  about: { readonly given: Readonly<Record<string, string>>; readonly answers: Answers },
): Promise<Answer> {
  const { title } = request;
  const question = filledIn(request, about);
  const answer = await ask(server, options.token, question);
  if (title !== '') about.answers.set(title, answer.body);
  return answer;
}

function compare(story: string, request: HttpRequest, [ours, theirs]: [Answer, Answer]): void {
  asked++;
  const sides = [comparable(ours, request), comparable(theirs, request)] as const;
  // Where one agrees and the other refuses, only the refusal says something.
  const [some, others] = ours.status === theirs.status ? sides : [refusal(ours), refusal(theirs)];
  const differing = differences(some, others).filter((line) => !ignored.test(line));
  if (differing.length === 0) alike++;
  if (differing.length === 0 && !options.show) return;
  process.stdout.write(`${story}:${request.line} ${request.title} ${request.head}\n`);
  for (const line of differing) process.stdout.write(`    ${line}\n`);
  if (options.show) for (const answer of [ours, theirs]) show(comparable(answer, request));
  process.stdout.write('\n');
}

function refusal({ status, body }: Answer): Json {
  const { message = '' } = status < 300 ? {} : (Object(body) as { readonly message?: Json });
  return { status, message };
}

function show(answer: Json): void {
  process.stdout.write(`    ${JSON.stringify(answer).slice(0, 4000)}\n`);
}

/** What of an answer is the same on any server. */
function comparable({ status, headers, body }: Answer, { withoutBody }: HttpRequest): Json {
  const texts = HEADERS.flatMap((name): [string, Json][] =>
    headers[name] === undefined ? [] : [[name, normalized(String(headers[name]))]],
  );
  const marks = PRESENT.flatMap((name): [string, Json][] =>
    headers[name] === undefined ? [] : [[name, '(present)']],
  );
  const shown = withoutBody ? '(not compared)' : plainBody(String(headers['content-type']), body);
  const answer = { status, headers: Object.fromEntries([...texts, ...marks]), body: shown };
  return JSON.parse(JSON.stringify(answer).replaceAll(run, 'RUN')) as Json;
}

function plainBody(type: string, body: Json): Json {
  if (typeof body !== 'string') return normalized(body);
  if (type === 'application/yaml') return normalized(parseYaml(body) as Json);
  if (type.includes('protobuf'))
    return `(protobuf ${body.slice(0, 2)}, ${Math.round(body.length / 100)}00 characters)`;
  const lines = body.split('\n');
  // The events of a watch.
  if (lines.every((line) => line === '' || line.startsWith('{')))
    return lines.filter((line) => line !== '').map((line) => normalized(JSON.parse(line) as Json));
  return normalized(body);
}

async function both(method: string, path: string, body: Json): Promise<void> {
  const question = { method, path, body: JSON.stringify(body) };
  await Promise.all(servers.map((server) => ask(server, options.token, question)));
}
