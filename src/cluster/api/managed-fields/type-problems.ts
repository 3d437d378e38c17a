/** Whether an applied configuration has the shape of its type, before it is read as an object of it. */
import { isPlatformError } from '../../../base/errors.ts';
import { goSyntax, goText, goTypeOf } from '../go-text.ts';
import { isJsonObject, type JsonValue } from '../json.ts';
import { fieldStep, pathText } from './field-set.ts';
import { itemStep } from './typed-value.ts';
import { UNTYPED, type ScalarType, type ValueSchema } from './value-schema.ts';

/** What is not as its type says, in upstream's words: `.spec.replicas: expected numeric (int or float), got string`. */
export function typeProblems(value: JsonValue, schema: ValueSchema): string[] {
  const walk = new Walk();
  walk.look(value, schema);
  return walk.problems;
}

class Walk {
  readonly problems: string[] = [];
  readonly #path: string[] = [];

  look(value: JsonValue, schema: ValueSchema): void {
    if (value === null || schema.type === 'untyped') return;
    if (schema.type === 'scalar') {
      const problem = scalarProblem(value, schema.of);
      if (problem !== undefined) this.#tell(problem);
    } else if (schema.type === 'list') this.#list(value, schema);
    else this.#map(value, schema);
  }

  #map(value: JsonValue, schema: ValueSchema & { readonly type: 'map' | 'struct' }): void {
    if (!isJsonObject(value)) return this.#tell(`expected map, got &{${goText(value)}}`);
    const undeclared: string[] = [];
    for (const name of Object.keys(value)) {
      const member = memberOf(schema, name);
      if (member === undefined) undeclared.push(name);
      else this.#below(fieldStep(name), value[name] ?? null, member);
    }
    // Upstream stops at one of them, whichever comes first.
    const [first] = undeclared.toSorted();
    if (first === undefined) return;
    this.#path.push(fieldStep(first));
    this.#tell('field not declared in schema');
    this.#path.pop();
  }

  #list(value: JsonValue, schema: ValueSchema & { readonly type: 'list' }): void {
    if (!Array.isArray(value)) return this.#tell(`expected list, got &{${goText(value)}}`);
    const element = schema.element();
    for (const [index, item] of value.entries()) {
      let step = `i:${index}`;
      if (schema.listType !== 'atomic') {
        try {
          step = itemStep(item, schema);
        } catch (error) {
          if (!isPlatformError(error)) throw error;
          return this.#tell(`element ${index}: ${error.message}`);
        }
      }
      this.#below(step, item, element);
    }
  }

  #below(step: string, value: JsonValue, schema: ValueSchema): void {
    this.#path.push(step);
    this.look(value, schema);
    this.#path.pop();
  }

  #tell(problem: string): void {
    this.problems.push(`${pathText(this.#path)}: ${problem}`);
  }
}

function memberOf(
  schema: ValueSchema & { readonly type: 'map' | 'struct' },
  name: string,
): ValueSchema | undefined {
  if (schema.type === 'map') return schema.element();
  return schema.field(name) ?? (schema.open === true ? UNTYPED : undefined);
}

function scalarProblem(value: JsonValue, of: ScalarType): string | undefined {
  switch (of) {
    case 'string':
      return typeof value === 'string'
        ? undefined
        : `expected string, got &value.valueUnstructured{Value:${goSyntax(value)}}`;
    case 'numeric':
      return typeof value === 'number'
        ? undefined
        : `expected numeric (int or float), got ${goTypeOf(value)}`;
    case 'boolean':
      return typeof value === 'boolean' ? undefined : `expected boolean, got &{${goText(value)}}`;
    default:
      return typeof value === 'object' ? `expected any scalar, got &{${goText(value)}}` : undefined;
  }
}
