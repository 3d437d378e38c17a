/** What is wrong with a policy's expressions when the types of what they look at are known. */
import { allowance } from '../../../api/cel/allowance.ts';
import { CelError } from '../../../api/cel/program.ts';
import { typeOfMessage, typeOfSchema } from '../../../api/cel/schema-types.ts';
import { DYN, type CelType } from '../../../api/cel/types.ts';
import { objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';
import { apiVersionOf, kindSchema } from '../../../api/schema.ts';
import { Structural } from '../../../api/structural/schema.ts';
import { expressionsOf } from './expressions.ts';

export interface Kind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Of what users define. */
  readonly schema?: JsonObject;
}

export interface Typed {
  readonly spec: JsonObject;
  readonly kinds: readonly Kind[];
  readonly param?: Kind;
}

/** As spec.status.typeChecking has them. */
export async function warningsFor({ spec, kinds, param }: Typed): Promise<readonly JsonObject[]> {
  const warnings = new Map<string, string[]>();
  for (const kind of kinds) {
    const object = typeOf(kind);
    const types = new Map<string, CelType>([
      ['object', object],
      ['oldObject', object],
      ['params', param === undefined ? DYN : typeOf(param)],
    ]);
    const expressions = expressionsOf(spec, types);
    const check = (path: string, text: string): void => {
      const program = text === '' ? undefined : expressions.compile(text);
      if (!(program instanceof CelError)) return;
      const said = `${apiVersionOf(kind.group, kind.version)}, Kind=${kind.kind}: ${program.message}\n`;
      warnings.set(path, [...(warnings.get(path) ?? []), said]);
    };
    for (const [index, validation] of objectsAt(spec, 'validations').entries()) {
      await allowance()?.next();
      check(`spec.validations[${index}].expression`, stringAt(validation, 'expression'));
      check(`spec.validations[${index}].messageExpression`, stringAt(validation, 'messageExpression'));
    }
  }
  return [...warnings].map(([fieldRef, texts]) => ({ fieldRef, warning: texts.join('\n') }));
}

function typeOf({ group, version, kind, schema }: Kind): CelType {
  if (schema !== undefined) return typeOfSchema(new Structural(schema), true);
  const known = kindSchema(group, version, kind);
  return known === undefined ? DYN : typeOfMessage(known.message);
}
