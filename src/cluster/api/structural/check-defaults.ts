import { append } from '../../../base/append.ts';
import { invalid, type FieldError } from '../field-error.ts';
import { embeddedErrors } from './embedded.ts';
import { ruleLanguage } from './lazy-rules.ts';
import { prune } from './prune.ts';
import type { Structural } from './schema.ts';
import { NO_FIELD, validateValue } from './validate.ts';

/** A default must itself be pruned and valid; what the schema would fill in does not count. */
export function checkDefaults(schema: Structural, path: string): FieldError[] {
  // The root is an object of its own as any embedded one.
  return defaultErrors(schema.embedding(), path);
}

function defaultErrors(schema: Structural, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const value = schema.defaultValue;
  if (value !== undefined) {
    const unknown: string[] = [];
    prune(value, schema, { unknown, path: '#' });
    if (unknown.length > 0) errors.push(invalid(`${path}.default`, value, 'must not have unknown fields'));
    const wrong = embeddedErrors(value, schema);
    if (wrong.length === 0) append(wrong, validateValue(value, schema.forDefaults()));
    if (wrong.length === 0 && schema.hasRules) {
      const check = ruleLanguage().ruleCheck(schema, false);
      // Both as a value that was there and as one that comes.
      wrong.push(...(check?.(value, value) ?? []), ...(check?.(value, undefined) ?? []));
    }
    for (const error of wrong) {
      const below =
        error.field === '' || error.field === NO_FIELD ? '' : `.${error.field.replace(/^\./, '')}`;
      errors.push({ ...error, field: `${path}.default${below}` });
    }
  }
  if (schema.items !== undefined) append(errors, defaultErrors(schema.items, `${path}.items`));
  for (const [name, property] of schema.properties) {
    append(errors, defaultErrors(property, `${path}.properties[${name}]`));
  }
  return errors;
}
