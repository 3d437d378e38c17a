/**
 * Sends two API servers the same requests and prints where their answers differ, by what differs:
 *   node tools/compare-requests.ts [--ours URL] --theirs URL --token TOKEN FILE.http|TABLE.cel.yaml|SEEDS.yaml… [--ignore PATTERN] [--only PATTERN] [--most N] [--show]
 * A file (compare/http-file.ts has its form) is a story that begins in two empty namespaces, `{{ns}}` and `{{other}}`; what it makes outside
 * of them has `{{run}}` in its name. Its requests go one after the other, those that change nothing together with their neighbours.
 * `{{webhook}}` is where admission webhooks are answered, for each server at an address of its own (compare/serve.ts), `{{ca}}` the bundle for it.
 * A table of expressions (compare/expressions.ts) is compiled, weighed and evaluated.
 * Of a file of objects (compare/seeds) each is asked for in every shape (compare/every-shape.ts). Whatever it makes stays: the servers are for this and nothing else.
 * The other server is a kube-apiserver of one's own without controllers, which knows the token as that of `admin` (uid `admin-uid`, group `system:masters`).
 * Without --ours, ours is one like it made of the sources here. Differences whose line matches the pattern do not count; with --show
 * every request is printed as it is answered by both.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { parse as parseYaml } from 'yaml';
import { ask, hangUp, type Answer } from './compare/ask.ts';
import { everyShape, type Place } from './compare/every-shape.ts';
import { compareExpressions } from './compare/expressions.ts';
import { Groups } from './compare/groups.ts';
import { filledIn, independent, parseHttpFile, type Answers, type HttpRequest } from './compare/http-file.ts';
import type { Json } from './compare/mutations.ts';
import { differences, normalized } from './compare/normalize.ts';
import { openPki, serveHere, serveWebhooks } from './compare/serve.ts';

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
/** Descriptions are in words of our own; some builds of kube-apiserver give pods a bundle more, and everyone a path. */
const OWN = /\.description: ours|service-ca\.crt|"\/\.well-known\/\*"/;
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
    most: { type: 'string', default: '200' },
    show: { type: 'boolean', default: false },
  },
});
if (options.theirs === '' || files.length === 0) {
  process.stderr.write(
    'usage: node tools/compare-requests.ts [--ours URL] --theirs URL --token TOKEN FILE.http…\n',
  );
  process.exit(2);
}
/** How long a server may take until it does what it was configured to. */
const SETTLED_WITHIN_MS = 10_000;
const STORIES = 3;

await using pki = await openPki();
await using here = options.ours === '' ? await serveHere(options.token, pki) : undefined;
await using webhooks = await serveWebhooks(pki);
const servers = [here?.url ?? options.ours, options.theirs] as const;
const ignored = new RegExp(options.ignore);
const only = new RegExp(options.only);
/** Names of two runs differ. */
const run = Date.now().toString(36);
const hooks = new RegExp(`${webhooks.url}/(ours|theirs)`, 'g');
let asked = 0;
let alike = 0;
const groups = new Groups();
const waiting = [...files];
await Promise.all(
  Array.from({ length: STORIES }, async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift())
      await (file.endsWith('.cel.yaml') ? tellExpressions(file) : tell(file));
  }),
);
hangUp();
groups.print(Number(options.most));
process.stdout.write(`${alike} of ${asked} answers alike\n`);
process.exitCode = alike === asked ? 0 : 1;

async function tell(file: string): Promise<void> {
  const story = basename(file).replace(/\.[a-z]+$/, '');
  const given = {
    ns: `${story}-${run}`,
    other: `other-${story}-${run}`,
    run: `${story}-${run}`,
    token: options.token,
    ca: Buffer.from(pki.ca.cert).toString('base64'),
  };
  const namespaces = [given.ns, given.other];
  for (const name of namespaces) {
    await both('POST', '/api/v1/namespaces', { metadata: { name } });
    await both('POST', `/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: 'default' } });
  }
  const abouts = ['ours', 'theirs'].map((side) => ({
    given: { ...given, webhook: `${webhooks.url}/${side}/${story}` },
    answers: new Map<string, Json>(),
  }));
  const text = readFileSync(file, 'utf8');
  const requests = file.endsWith('.http') ? parseHttpFile(text) : await everyShape(text, placeOf);
  for (const batch of independent(requests)) {
    const answers = await Promise.all(
      batch.map((request) =>
        Promise.all(servers.map((server, index) => askOne(server, request, abouts[index]!))),
      ),
    );
    for (const [index, request] of batch.entries())
      if (only.test(`${request.title} ${request.head}`))
        compare(story, request, answers[index] as [Answer, Answer]);
  }
}

/** A table of expressions (compare/expressions.ts). */
async function tellExpressions(file: string): Promise<void> {
  const story = basename(file).replace('.cel.yaml', '');
  await compareExpressions(readFileSync(file, 'utf8'), {
    servers,
    token: options.token,
    run,
    compare(title, answers) {
      const request = { title, line: 0, head: '', headers: {}, body: '', shown: 'all' } as const;
      if (only.test(title)) compare(story, request, answers as [Answer, Answer]);
    },
  });
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
  const { title, until } = request;
  const question = filledIn(request, about);
  const asked = about.given['webhook'] ?? '';
  const isWebhooks = question.path.startsWith(asked);
  const whole = isWebhooks ? { ...question, path: question.path.slice(webhooks.url.length) } : question;
  const deadline = Date.now() + SETTLED_WITHIN_MS;
  for (;;) {
    const answer = await ask(isWebhooks ? webhooks.url : server, options.token, whole);
    if (title !== '') about.answers.set(title, answer.body);
    if (until === undefined || answer.status === until || Date.now() > deadline) return answer;
    await setTimeout(50);
  }
}

function compare(story: string, request: HttpRequest, [ours, theirs]: [Answer, Answer]): void {
  if (request.shown === 'nothing') return;
  asked++;
  const sides = [comparable(ours, request), comparable(theirs, request)] as const;
  // Where one agrees and the other refuses, only the refusal says something.
  const [some, others] = ours.status === theirs.status ? sides : [refusal(ours), refusal(theirs)];
  const differing = differences(some, others).filter((line) => !ignored.test(line) && !OWN.test(line));
  if (differing.length === 0) alike++;
  const place = `${story}:${request.line} ${request.title} ${request.head}`;
  if (differing.length > 0) groups.add(differing.join('\n'), place);
  if (!options.show) return;
  process.stdout.write(`${place}\n`);
  for (const answer of [ours, theirs]) show(comparable(answer, request));
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
function comparable({ status, headers, body }: Answer, { shown: what }: HttpRequest): Json {
  const texts = HEADERS.flatMap((name): [string, Json][] =>
    headers[name] === undefined ? [] : [[name, normalized(String(headers[name]))]],
  );
  const marks = PRESENT.flatMap((name): [string, Json][] =>
    headers[name] === undefined ? [] : [[name, '(present)']],
  );
  const shown = what === 'head' ? '(not compared)' : plainBody(String(headers['content-type']), body);
  const answer = { status, headers: Object.fromEntries([...texts, ...marks]), body: shown };
  return JSON.parse(JSON.stringify(answer).replaceAll(run, 'RUN').replace(hooks, 'WEBHOOK')) as Json;
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
