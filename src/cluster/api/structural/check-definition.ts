/** Everything that is wrong with one schema of a CustomResourceDefinition. */
import { append } from '../../../base/append.ts';
import { forbidden, invalid, type FieldError } from '../field-error.ts';
import { stringAt, type JsonObject } from '../json.ts';
import { checkDefaults } from './check-defaults.ts';
import { checkKeywords } from './check-keywords.ts';
import { checkStructural } from './check.ts';
import { ruleLanguage } from './lazy-rules.ts';
import { Structural } from './schema.ts';
import { isBeyondStructure } from './unsupported.ts';

/** What a schema's root may say where the status is cut out of it. */
const AT_ROOT = [
  'description',
  'type',
  'format',
  'title',
  'maximum',
  'exclusiveMaximum',
  'minimum',
  'exclusiveMinimum',
  'maxLength',
  'minLength',
  'pattern',
  'maxItems',
  'minItems',
  'uniqueItems',
  'multipleOf',
  'required',
  'items',
  'properties',
  'externalDocs',
  'example',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-validations',
];
const AT_ROOT_NAMES = AT_ROOT.map((name) =>
  name.startsWith('x-')
    ? `X${name.includes('preserve') ? 'PreserveUnknownFields' : 'Validations'}`
    : `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`,
).join(' ');

export interface SchemaUse {
  /** Whether objects have a status of its own. */
  readonly hasStatus: boolean;
  /** Its rules were taken before. */
  readonly isKnown: boolean;
}

/** Each kind of complaint only where those before it have none: what they are about would not be there. */
export function checkDefinitionSchema(
  schema: JsonObject,
  at: string,
  { hasStatus, isKnown }: SchemaUse,
): FieldError[] {
  const errors = [...(hasStatus ? checkRoot(schema, at) : [])];
  if (schema['nullable'] === true) {
    errors.push(forbidden(`${at}.nullable`, 'nullable cannot be true at the root'));
  }
  const isBeyond = isBeyondStructure(schema);
  const shape = isBeyond ? [] : checkStructural(schema, at);
  const structural = isBeyond || shape.length > 0 ? undefined : new Structural(schema);
  const defaults = structural === undefined ? [] : checkDefaults(structural, at);
  const keywords = checkKeywords(schema, at);
  append(errors, shape);
  append(errors, defaults);
  append(errors, keywords);
  if (structural !== undefined && defaults.length === 0 && !isKnown && structural.hasRules) {
    append(errors, ruleLanguage().checkRules(structural, at, keywords));
  }
  if (errors.length > 0 || !isBeyond) return errors;
  return [invalid(at, '', "OpenAPIV3Schema 'schema' is not supported")];
}

function checkRoot(schema: JsonObject, at: string): FieldError[] {
  const type = stringAt(schema, 'type');
  if (type !== '' && type !== 'object') {
    const detail =
      'only "object" is allowed as the type at the root of the schema if the status subresource is enabled';
    return [invalid(`${at}.type`, type, detail)];
  }
  const alien = Object.keys(schema).find((key) => !AT_ROOT.includes(key) && schema[key] !== false);
  if (alien === undefined) return [];
  const detail = `only [${AT_ROOT_NAMES}] fields are allowed at the root of the schema if the status subresource is enabled`;
  return [invalid(at, schema, detail)];
}
