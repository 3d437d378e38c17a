/** A schema of JSON values as data: each rule knows what it wants and refuses everything else by path. */
import { PlatformError, type PlatformErrorOptions } from '../../../base/errors.ts';

/** Where in the document we are; one list for the whole walk, so that nothing is built while all is well. */
export type Path = (string | number)[];

export interface Rule {
  /** Completes "want …". */
  readonly want: string;
  /** Throws `invalid`. */
  readonly check: (value: unknown, at: Path) => void;
}

export function refuse(at: Path, said: string, options: PlatformErrorOptions = {}): never {
  const path = pathText(at);
  const details = { path, ...options.details };
  throw new PlatformError('invalid', `${path}: ${said}`, { ...options, details });
}

export function unsupported(at: Path, said: string): never {
  const path = pathText(at);
  throw new PlatformError('unsupported', `${path}: ${said}`, { details: { path } });
}

export function pathText(at: Path): string {
  const text = at
    .map((part) =>
      typeof part === 'number' ? `[${part}]` : /^\w+$/.test(part) ? `.${part}` : `[${JSON.stringify(part)}]`,
    )
    .join('');
  return text === '' ? 'config' : text.replace(/^\./, '');
}

/** A value in a message: short, on one line. */
export function shown(value: unknown): string {
  const text = typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? 'nothing');
  return text.length <= 80 ? text : `${text.slice(0, 77)}…`;
}

function wrong(at: Path, value: unknown, want: string): never {
  return refuse(at, `${shown(value)} is wrong; want ${want}`);
}

export const boolean: Rule = {
  want: 'true or false',
  check(value, at) {
    if (typeof value !== 'boolean') wrong(at, value, this.want);
  },
};

export function integer(least: number, most: number, unit = 'a whole number'): Rule {
  const range =
    most >= 2 ** 63 && least <= -(2 ** 63)
      ? ''
      : most >= 2 ** 63
        ? ` of at least ${least}`
        : ` from ${least} to ${most}`;
  const want = `${unit}${range}`;
  return {
    want,
    check(value, at) {
      if (!Number.isInteger(value) || (value as number) < least || (value as number) > most)
        wrong(at, value, want);
    },
  };
}

/** Nothing of a configuration may hold a NUL byte: it would end there in the kernel. */
export function text(want = 'a string', pattern?: RegExp): Rule {
  return {
    want,
    check(value, at) {
      if (typeof value !== 'string' || (pattern !== undefined && !pattern.test(value)))
        wrong(at, value, want);
      if (value.includes('\0')) refuse(at, `${shown(value)} has a NUL byte; want ${want} without one`);
    },
  };
}

/** One of a list of names; `kind` completes "is not …". */
export function name(kind: string, names: readonly string[]): Rule {
  const known = new Set(names);
  const want = names.join(', ');
  return {
    want,
    check(value, at) {
      if (!known.has(value as string)) refuse(at, `${shown(value)} is not ${kind}; want ${want}`);
    },
  };
}

export function list(of: Rule, options: { readonly least?: number; readonly want?: string } = {}): Rule {
  const { least = 0, want = `a list, each ${of.want}` } = options;
  return {
    want,
    check(value, at) {
      if (!Array.isArray(value) || value.length < least) wrong(at, value, want);
      const items = value as unknown[];
      for (let index = 0; index < items.length; index++) {
        at.push(index);
        of.check(items[index], at);
        at.pop();
      }
    },
  };
}

export function record(of: Rule, key?: Rule): Rule {
  const want = `an object, each value ${of.want}`;
  return {
    want,
    check(value, at) {
      if (!isObject(value)) wrong(at, value, want);
      for (const [field, item] of Object.entries(value as object)) {
        at.push(field);
        key?.check(field, at);
        of.check(item, at);
        at.pop();
      }
    },
  };
}

/**
 * Fields by name; one that ends in `!` must be there. Others are ignored, as the specification demands. `null` counts as
 * absent, since writers in Go have it for what is empty; it is taken out of the value.
 */
export function object(fields: Readonly<Record<string, Rule>>): Rule {
  const rules = Object.entries(fields).map(([field, rule]) => ({
    field: field.replace(/!$/, ''),
    isRequired: field.endsWith('!'),
    rule,
  }));
  const want = 'an object';
  return {
    want,
    check(value, at) {
      if (!isObject(value)) wrong(at, value, want);
      const given = value as Record<string, unknown>;
      for (const { field, isRequired, rule } of rules) {
        const item = given[field];
        if (item === undefined || item === null) {
          if (isRequired) refuse([...at, field], `missing; want ${rule.want}`);
          if (item === null) given[field] = undefined;
          continue;
        }
        at.push(field);
        rule.check(item, at);
        at.pop();
      }
    },
  };
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
