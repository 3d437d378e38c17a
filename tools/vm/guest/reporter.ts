/** The reporter of one test file's process: its events, as they happen, to the runner on descriptor 3. */
import { writeSync } from 'node:fs';
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';
import type { TestEnd } from './events.ts';

/** The runner reads it. */
export const EVENTS_DESCRIPTOR = 3;

export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const names = new Map<number, string>();
  for await (const event of source) {
    const told = translate(event, names);
    if (told !== undefined) writeSync(EVENTS_DESCRIPTOR, `${JSON.stringify(told)}\n`);
  }
  yield '';
}

/** `test:pass` and `test:fail` wait for the tests before; `test:complete` comes at once. */
function translate({ type, data }: TestEvent, names: Map<number, string>): Omit<TestEnd, 'file'> | undefined {
  if (type === 'test:dequeue') {
    const { testId, parentId, name } = data as unknown as Identified;
    const parent = names.get(parentId);
    // As `context.fullName` has it.
    names.set(testId, parent === undefined ? name : `${parent} > ${name}`);
    return undefined;
  }
  if (type !== 'test:complete') return undefined;
  const { testId, name, details, skip, todo } = data as unknown as Completed;
  const { error } = details;
  const own = error !== undefined && error.failureType !== 'subtestsFailed';
  const skipped = told(skip) ?? told(todo);
  return {
    type: 'test-end',
    name: names.get(testId) ?? name,
    suite: details.type === 'suite',
    passed: details.passed,
    milliseconds: details.duration_ms,
    ...(skipped === undefined ? {} : { skipped }),
    ...(own ? { error: textOf(error.cause ?? error) } : {}),
  };
}

/** Of an error in a disposal both that and the one before it: `inspect` shows neither. */
function textOf(error: unknown): string {
  if (!(error instanceof SuppressedError)) return inspect(error);
  return `${textOf(error.suppressed)}\nand then, while disposing: ${textOf(error.error)}`;
}

function told(reason: string | boolean | undefined): string | true | undefined {
  return reason === false ? undefined : reason;
}

interface Identified {
  readonly testId: number;
  readonly parentId: number;
  readonly name: string;
}

interface Completed extends Identified {
  readonly skip?: string | boolean;
  readonly todo?: string | boolean;
  readonly details: {
    readonly type?: string;
    readonly passed: boolean;
    readonly duration_ms: number;
    readonly error?: Error & { readonly failureType?: string };
  };
}
