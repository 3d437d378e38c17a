/** An expression that does not compile, or fails when it is evaluated. Never leaves this room but through its callers. */
export class CelError extends Error {}

/** It would take more than it may. */
export class CostExceeded extends CelError {
  constructor() {
    super('operation cancelled: actual cost limit exceeded');
  }
}

/** So many are told of those in one expression. */
export const MAX_TOLD = 100;

/** With the place in the text, as cel-go shows it; -1 is none. */
export class CompileError extends CelError {
  readonly at: number;

  constructor(why: string, text: string, at: number) {
    super(shown(why, text, at));
    this.at = at;
  }

  /** Several as one, each in lines of its own. */
  static all(errors: readonly [CompileError, ...CompileError[]]): CompileError {
    const joined = new CompileError('', '', errors[0].at);
    const told = errors.slice(0, MAX_TOLD).map(({ message }) => message);
    if (errors.length > MAX_TOLD) told.push(`${errors.length - MAX_TOLD} more errors were truncated`);
    joined.message = told.join('\n');
    return joined;
  }
}

function shown(why: string, text: string, at: number): string {
  if (at < 0) return `ERROR: <input>:-1:0: ${why}`;
  // There is no line to show, and no first column.
  if (text === '') return `ERROR: <input>:1:0: ${why}`;
  const start = text.lastIndexOf('\n', Math.max(at - 1, 0)) + 1;
  const end = text.indexOf('\n', at);
  const line = text.slice(start, end === -1 ? undefined : end);
  const number = text.slice(0, start).split('\n').length;
  const column = at - start;
  return `ERROR: <input>:${number}:${column + 1}: ${why}\n | ${line}\n | ${'.'.repeat(column)}^`;
}
