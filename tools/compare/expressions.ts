/**
 * Tables of CEL expressions, one a line, by section: what they give, or what is wrong with them, and what they are taken to cost.
 * Each is a rule of a custom resource whose `self` is the table's; a rule that never holds shows the value by its message.
 */
import { parse as parseYaml } from 'yaml';
import { ask, PARALLEL, type Answer, type Question } from './ask.ts';
import type { Json } from './mutations.ts';

interface Expressions {
  /** A schema, and a value of it. */
  readonly schema: Json;
  readonly value: Json;
  /** By section, one a line: what is compiled, evaluated and printed. */
  readonly values?: Readonly<Record<string, string>>;
  /** What is compiled and weighed. */
  readonly costs?: Readonly<Record<string, string>>;
}

interface Expression {
  readonly section: string;
  readonly text: string;
}

function linesOf(sections: Readonly<Record<string, string>> = {}): readonly Expression[] {
  return Object.entries(sections).flatMap(([section, lines]) =>
    lines
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('# '))
      .map((line) => ({ section, text: line })),
  );
}

const GROUP = 'cel.example.com';
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

function definition(kind: string, spec: Json): string {
  const plural = `${kind.toLowerCase()}s`;
  const openAPIV3Schema = { type: 'object', properties: { spec } };
  return JSON.stringify({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Cluster',
      names: { plural, kind },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  });
}

/** A rule that asks for the value, and never holds. */
function printing(schema: Json, text: string): Json {
  const printed = `'%s'.format([${text}])`;
  const rule = { rule: `size(${printed}) < 0`, messageExpression: `'is %s'.format([${text}])` };
  return { ...(schema as object), 'x-kubernetes-validations': [rule] };
}

/** Tries to define it, without doing so. */
function compiling({ schema }: Expressions, { text }: Expression): Question {
  return {
    method: 'POST',
    path: `${DEFINITIONS}?dryRun=All`,
    body: definition('Try', printing(schema, text)),
  };
}

/**
 * As a rule of each element of a list so long that the refusal shows its cost: the limit, ten million, is so many times exceeded
 * as it costs units, or tenths of them.
 */
function weighing({ schema }: Expressions, { text }: Expression, length: number): Question {
  const items = { ...(schema as object), 'x-kubernetes-validations': [{ rule: text }] };
  const spec = { type: 'array', maxItems: length, items };
  return { method: 'POST', path: `${DEFINITIONS}?dryRun=All`, body: definition('Weigh', spec) };
}

/** Defines a kind whose objects evaluate all of them, then makes one of it. */
function evaluating(
  { schema, value }: Expressions,
  all: readonly Expression[],
  kind: string,
): { readonly define: Question; readonly create: Question; readonly ready: Question } {
  const names = all.map((_one, index) => `e${index}`);
  const properties = Object.fromEntries(
    all.map(({ text }, index) => [names[index]!, printing(schema, text)]),
  );
  const spec = Object.fromEntries(names.map((name) => [name, value]));
  const object = { apiVersion: `${GROUP}/v1`, kind, metadata: { name: 'one' }, spec };
  const path = `/apis/${GROUP}/v1/${kind.toLowerCase()}s`;
  return {
    define: { method: 'POST', path: DEFINITIONS, body: definition(kind, { type: 'object', properties }) },
    ready: { method: 'GET', path },
    create: { method: 'POST', path, body: JSON.stringify(object) },
  };
}

export interface Parties {
  /** Ours and theirs. */
  readonly servers: readonly [string, string];
  readonly token: string;
  /** Makes names of this run. */
  readonly run: string;
  /** Told what both have answered to one question. */
  readonly compare: (about: string, answers: readonly [Answer, Answer]) => void;
}

const LENGTHS = [10_000_000, 1_000_000];
/** Of evaluations that one object asks for, as a request may cost so much and no more. */
const AT_ONCE = 100;

export async function compareExpressions(text: string, parties: Parties): Promise<void> {
  const table = parseYaml(text) as Expressions;
  const both = async (question: Question): Promise<readonly [Answer, Answer]> => {
    const [ours, theirs] = parties.servers.map((server) => ask(server, parties.token, question));
    return [await ours!, await theirs!];
  };
  const compare = (about: string, [ours, theirs]: readonly [Answer, Answer]): void =>
    parties.compare(about, [complaints(ours), complaints(theirs)]);
  const costs = linesOf(table.costs).flatMap((one) => LENGTHS.map((length) => ({ ...one, length })));
  await inTurns(
    costs,
    (one) => both(weighing(table, one, one.length)),
    ({ section, text, length }, answers) => compare(`${section} (× ${length}): ${text}`, answers),
  );
  const good: Expression[] = [];
  await inTurns(
    linesOf(table.values),
    (one) => both(compiling(table, one)),
    (one, answers) => {
      compare(`${one.section}: ${one.text}`, answers);
      if (answers.every(({ status }) => status < 300)) good.push(one);
    },
  );
  for (let from = 0; from < good.length; from += AT_ONCE) {
    const some = good.slice(from, from + AT_ONCE);
    const { define, ready, create } = evaluating(table, some, `Value${from}x${parties.run}`);
    compare('definition', await both(define));
    while ((await both(ready)).some(({ status }) => status !== 200));
    const answers = await both(create);
    some.forEach(({ section, text }, index) => {
      const [ours, theirs] = answers.map((answer) => complaints(answer, `spec.e${index}`));
      parties.compare(`${section}, value: ${text}`, [ours!, theirs!]);
    });
  }
}

/** Only what it complains about, in all or at one field. */
function complaints(answer: Answer, field?: string): Answer {
  const { details } = Object(answer.body) as {
    details?: { causes?: readonly { field: string; message: string }[] };
  };
  const causes = (details?.causes ?? []).filter((cause) => field === undefined || cause.field === field);
  const messages = causes.map(({ message }) => message.replace(/\{"Rule":.*?\}: (?=[a-z])/, ''));
  return { ...answer, headers: {}, body: { message: messages.join('\n') } };
}

/** Asks some at a time, and tells in order. */
async function inTurns<T, A>(
  all: readonly T[],
  question: (one: T) => Promise<A>,
  tell: (one: T, answer: A) => void,
): Promise<void> {
  for (let from = 0; from < all.length; from += PARALLEL) {
    const some = all.slice(from, from + PARALLEL);
    const answers = await Promise.all(some.map(question));
    some.forEach((one, index) => tell(one, answers[index]!));
  }
}
