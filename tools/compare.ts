/**
 * Asks two API servers the same and prints where their answers differ:
 *   node tools/compare.ts --ours URL --theirs URL --token TOKEN SEED.yaml… [--kind Pod] [--update] [--ignore PATTERN] [--skip PATTERN]
 *     [--most N]
 * A seed is a valid object; what is asked are all its mutations (compare/mutations.ts), as creates or, with --update, as
 * updates of the seed, its status too, never stored (dryRun). The other server is a kube-apiserver of one's own; both must
 * know the token as that of an administrator. Differences whose line matches the pattern do not count, and nothing is asked
 * of fields whose path matches the other. The definitions of the kinds of `x.yaml` are in `x-definitions.yaml` beside it:
 * both servers have them for as long as its seeds are asked. Where the other server panics and so answers nothing, there is
 * nothing to compare. Exit code 1 when any difference counts.
 */
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { ask as request, hangUp, PARALLEL, type Answer } from './compare/ask.ts';
import { mutations, type Json, type Mutation, type Schemas } from './compare/mutations.ts';
import { differences, normalized } from './compare/normalize.ts';

type Fields = { [field: string]: Json };
interface Seed extends Fields {
  apiVersion: string;
  kind: string;
  metadata: { name: string; resourceVersion?: string };
}
interface Resource {
  readonly name: string;
  /** The path of the collection. */
  readonly root: string;
  /** The endpoints that write a part of it, each with its slash. */
  readonly windows: readonly string[];
}
interface ListedResource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
}
interface Asked {
  readonly method: string;
  readonly path: string;
  /** Of each server: an update names the revision that this server gave. */
  readonly bodies: readonly [Json, Json];
  /** The same once more, by the newest revisions. */
  readonly retry?: () => Promise<Asked>;
}

const NAMESPACE = 'compare';
/** What is written at endpoints that write a part of an object; all the rest is at the object's own. */
const WINDOWS: Readonly<Record<string, RegExp>> = {
  '/status': /^status/,
  '/approval': /^status/,
  '/resize': /^spec\.(resources|(containers|initContainers)(\[\d+\](\.(name|resources|resizePolicy).*)?)?$)/,
  '/ephemeralcontainers': /^spec\.ephemeralContainers/,
};
/** Reviews are only created. */
const NO_LIST = 405;
const CONFLICT = 409;
const NOT_FOUND = 404;
const SERVED_WITHIN_MS = 30_000;
/** Nobody has written for so long. */
const SETTLED_MS = 300;

const { values: options, positionals: files } = parseArgs({
  allowPositionals: true,
  options: {
    ours: { type: 'string', default: '' },
    theirs: { type: 'string', default: '' },
    token: { type: 'string', default: '' },
    kind: { type: 'string' },
    update: { type: 'boolean', default: false },
    ignore: { type: 'string', default: '^$' },
    skip: { type: 'string', default: '^$' },
    most: { type: 'string', default: '200' },
  },
});
if (options.ours === '' || options.theirs === '' || files.length === 0) {
  process.stderr.write(
    'usage: node tools/compare.ts --ours URL --theirs URL --token TOKEN SEED.yaml… [--kind KIND] [--update]\n',
  );
  process.exit(2);
}
const servers = [options.ours, options.theirs] as const;
const ignored = new RegExp(options.ignore);
const skipped = new RegExp(options.skip);
let asked = 0;
let unanswered = 0;
const found = new Map<string, string[]>();

await prepare();
for (const file of files) await compareFile(file);
hangUp();
report();

async function compareFile(file: string): Promise<void> {
  const seeds = [...objectsOf(file)].filter(
    ({ kind }) => options.kind === undefined || options.kind === kind,
  );
  const beside = file.replace(/\.yaml$/, '-definitions.yaml');
  const definitions = seeds.length > 0 && existsSync(beside) ? [...objectsOf(beside)] : [];
  try {
    for (const definition of definitions) await store(definition);
    for (const seed of seeds) await compareSeed(seed);
  } finally {
    for (const definition of definitions) await remove(definition);
  }
}

async function compareSeed(seed: Seed): Promise<void> {
  const resource = await served(seed);
  const schemas = await schemasOf(seed.apiVersion);
  const schema = schemas[schemaName(seed, schemas)] ?? {};
  const jobs = mutations(seed, schema, schemas).filter(({ path }) => !skipped.test(path));
  if (options.update) return updates(seed, resource, jobs);
  await compare(seed.kind, 'unchanged', create(resource, seed));
  await inParallel(jobs, ({ path, change, object }) =>
    compare(seed.kind, `${path} = ${change}`, create(resource, object)),
  );
}

function* objectsOf(file: string): Generator<Seed> {
  for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
    const object = document.toJS() as Seed | null;
    if (object !== null) yield object;
  }
}

async function store(object: Seed): Promise<void> {
  await remove(object);
  const { root } = await served(object);
  for (const server of servers) {
    const { status, body } = await ask(server, 'POST', root, object);
    if (status !== 201)
      throw new Error(`${server} does not take ${object.metadata.name}: ${JSON.stringify(body)}`);
  }
}

/** A definition goes when its objects are gone. */
async function remove(object: Seed): Promise<void> {
  const { root } = await served(object);
  const path = `${root}/${object.metadata.name}`;
  const deadline = Date.now() + SERVED_WITHIN_MS;
  for (const server of servers)
    while ((await ask(server, 'DELETE', path)).status !== NOT_FOUND) {
      if (Date.now() > deadline) throw new Error(`${server} does not let go of ${path}`);
      await setTimeout(100);
    }
}

/** What a definition that was just stored defines is served a moment later. */
async function served(object: Seed): Promise<Resource> {
  const deadline = Date.now() + SERVED_WITHIN_MS;
  for (;;) {
    try {
      const resource = await resourceOf(object);
      const schemas = await schemasOf(object.apiVersion);
      schemaName(object, schemas);
      const answers = await Promise.all(servers.map((server) => ask(server, 'GET', resource.root)));
      if (answers.every(({ status }) => status === 200 || status === NO_LIST)) return resource;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    if (Date.now() > deadline)
      throw new Error(`${object.kind} of ${object.apiVersion} is not served by both`);
    await setTimeout(100);
  }
}

async function prepare(): Promise<void> {
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } };
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
  for (const server of servers) {
    await ask(server, 'POST', '/api/v1/namespaces', namespace);
    await ask(server, 'POST', `/api/v1/namespaces/${NAMESPACE}/serviceaccounts`, account);
  }
}

function create(resource: Resource, object: Json): Asked {
  return {
    method: 'POST',
    path: `${resource.root}?dryRun=All&fieldValidation=Strict`,
    bodies: [object, object],
  };
}

/** The seed is stored on both, and gone again at the end. */
async function updates(seed: Seed, resource: Resource, jobs: Iterator<Mutation>): Promise<void> {
  const name = seed.metadata.name;
  const path = `${resource.root}/${name}`;
  await Promise.all(servers.map((server) => ask(server, 'POST', resource.root, newborn(seed))));
  // Most kinds start without the status that somebody gives them.
  if (seed['status'] !== undefined)
    for (const server of servers) {
      const version = await settledRevision(server, path);
      await ask(server, 'PUT', `${path}/status`, withRevision(seed, version));
    }
  const revisions = await Promise.all(servers.map((server) => settledRevision(server, path)));
  const put = (subresource: string, object: Json): Asked => ({
    method: 'PUT',
    path: `${path}${subresource}?dryRun=All&fieldValidation=Strict`,
    bodies: revisions.map((resourceVersion) => withRevision(object as Seed, resourceVersion)) as unknown as [
      Json,
      Json,
    ],
  });
  /** A controller may write between. */
  const revise = async (): Promise<void> => {
    const now = await Promise.all(servers.map((server) => ask(server, 'GET', path)));
    for (const [index, { body }] of now.entries())
      revisions[index] = (body as Seed).metadata.resourceVersion ?? '';
  };
  try {
    await inParallel(jobs, async ({ path: at, change, object }) => {
      for (const subresource of windowsOf(at, seed, resource))
        await compare(`${seed.kind}${subresource}`, `${at} = ${change}`, {
          ...put(subresource, object),
          retry: async () => {
            await revise();
            return put(subresource, object);
          },
        });
    });
  } finally {
    const now = { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0 };
    await Promise.all(servers.map((server) => ask(server, 'DELETE', path, now)));
    // Whoever takes finalizers away does not run.
    const bare = [{ op: 'remove', path: '/metadata/finalizers' }];
    await Promise.all(servers.map((server) => ask(server, 'PATCH', path, bare)));
    const empty = { apiVersion: 'v1', kind: 'Namespace', metadata: { name }, spec: {} };
    if (seed.kind === 'Namespace')
      await Promise.all(servers.map((server) => ask(server, 'PUT', `${path}/finalize`, empty)));
  }
}

/** That of the object when its controllers have done with it. */
async function settledRevision(server: string, path: string): Promise<string> {
  let [before, now] = ['', ''];
  do {
    before = now;
    await setTimeout(SETTLED_MS);
    now = ((await ask(server, 'GET', path)).body as Seed).metadata?.resourceVersion ?? '';
  } while (now !== before);
  return now;
}

/** The endpoints at which a change is one; at its own path an object has no status. */
function windowsOf(at: string, seed: Seed, { windows }: Resource): readonly string[] {
  const written = windows.filter((window) => WINDOWS[window]?.test(at) === true);
  if (!at.startsWith('status')) return ['', ...written];
  return seed['status'] === undefined ? [] : written;
}

/** Ephemeral containers come later. */
function newborn(seed: Seed): Json {
  const { ephemeralContainers: _later, ...spec } = (seed['spec'] ?? {}) as Fields;
  return seed.kind === 'Pod' ? { ...seed, spec } : seed;
}

function withRevision(object: Seed, resourceVersion: Json): Json {
  if (object.metadata === null || typeof object.metadata !== 'object' || Array.isArray(object.metadata))
    return object;
  return { ...object, metadata: { ...object.metadata, resourceVersion } };
}

async function inParallel<T>(jobs: Iterator<T>, run: (job: T) => Promise<void>): Promise<void> {
  const worker = async (): Promise<void> => {
    for (let next = jobs.next(); next.done !== true; next = jobs.next()) await run(next.value);
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

async function compare(kind: string, what: string, { method, path, bodies, retry }: Asked): Promise<void> {
  const answers = await Promise.all(
    servers.map((server, index) => ask(server, method, path, bodies[index] ?? null)),
  );
  if (retry !== undefined && answers.some(({ status }) => status === CONFLICT))
    return compare(kind, what, await retry());
  const [ours, theirs] = answers as [Answer, Answer];
  if (theirs.status === 0) {
    unanswered++;
    return;
  }
  asked++;
  const differing = differences(comparable(ours, theirs), comparable(theirs, ours)).filter(
    (line) => !ignored.test(line),
  );
  if (differing.length === 0) return;
  // The same cause shows at many values of a field: one entry, its values below it.
  const key = `${kind}: ${differing.join('\n    ')}`;
  found.set(key, [...(found.get(key) ?? []), what]);
}

/** Where one server agrees and the other refuses, only the refusal says something. */
function comparable({ status, warnings, body }: Answer, other: Answer): Json {
  const plain = normalized(body);
  if (status >= 300) {
    const { message = '', reason = '', details = {} } = (plain ?? {}) as Fields;
    return {
      status,
      warnings: [...warnings],
      // Where both list causes the message says them again.
      ...(other.status === status && hasCauses(body) && hasCauses(other.body) ? {} : { message }),
      ...(other.status === status ? { reason, details } : {}),
    };
  }
  return other.status === status ? { status, warnings: [...warnings], body: plain } : { status };
}

function hasCauses(body: Json): boolean {
  return (body as { readonly details?: { readonly causes?: unknown } } | null)?.details?.causes !== undefined;
}

async function ask(server: string, method: string, path: string, body?: Json): Promise<Answer> {
  return await request(server, options.token, {
    method,
    path,
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(method === 'PATCH' && { headers: { 'content-type': 'application/json-patch+json' } }),
  });
}

async function resourceOf({ apiVersion, kind }: Seed): Promise<Resource> {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const { body } = await ask(options.theirs, 'GET', root);
  const { resources = [] } = (body ?? {}) as { readonly resources?: readonly ListedResource[] };
  const resource = resources.find((candidate) => candidate.kind === kind && !candidate.name.includes('/'));
  if (resource === undefined) throw new Error(`${options.theirs} does not serve ${kind} of ${apiVersion}`);
  const scope = resource.namespaced ? `/namespaces/${NAMESPACE}` : '';
  const windows = Object.keys(WINDOWS).filter((window) =>
    resources.some(({ name }) => name === `${resource.name}${window}`),
  );
  return { name: resource.name, root: `${root}${scope}/${resource.name}`, windows };
}

async function schemasOf(apiVersion: string): Promise<Schemas> {
  const { body } = await ask(
    options.theirs,
    'GET',
    `/openapi/v3/${apiVersion.includes('/') ? 'apis' : 'api'}/${apiVersion}`,
  );
  return (body as { readonly components?: { readonly schemas?: Schemas } }).components?.schemas ?? {};
}

function schemaName({ apiVersion, kind }: Seed, schemas: Schemas): string {
  const [version, group = ''] = apiVersion.split('/').toReversed();
  for (const [name, schema] of Object.entries(schemas)) {
    const kinds = (schema as { readonly 'x-kubernetes-group-version-kind'?: readonly Fields[] })[
      'x-kubernetes-group-version-kind'
    ];
    if (
      kinds?.some((each) => each['group'] === group && each['version'] === version && each['kind'] === kind)
    )
      return name;
  }
  throw new Error(`no schema of ${kind} of ${apiVersion}`);
}

function report(): void {
  const entries = [...found].toSorted(([, some], [, others]) => others.length - some.length);
  for (const [difference, places] of entries.slice(0, Number(options.most))) {
    process.stdout.write(`${difference}\n    at ${places.slice(0, 4).join('\n       ')}`);
    process.stdout.write(places.length > 4 ? `\n       and ${places.length - 4} more\n\n` : '\n\n');
  }
  const differing = [...found.values()].reduce((sum, places) => sum + places.length, 0);
  process.stdout.write(`${asked - differing} of ${asked} answers alike, ${found.size} kinds of difference`);
  process.stdout.write(unanswered === 0 ? '\n' : `; ${unanswered} more made the other server panic\n`);
  process.exitCode = differing === 0 ? 0 : 1;
}
