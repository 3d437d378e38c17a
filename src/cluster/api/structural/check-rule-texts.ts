/** What is wrong with x-kubernetes-validations before anybody reads their expressions. */
import { invalid, required, unsupported, type FieldError } from '../field-error.ts';
import { objectsAt, stringAt, type JsonObject } from '../json.ts';
import { findField } from './field-path.ts';
import { isBeyondStructure } from './unsupported.ts';

const REASONS = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];

const hasLines = (text: string): boolean => /[\n\r]/.test(text);

export function checkRuleTexts(schema: JsonObject, path: string, errors: FieldError[]): void {
  for (const [index, rule] of objectsAt(schema, 'x-kubernetes-validations').entries()) {
    const at = (name: string): string => `${path}.x-kubernetes-validations[${index}].${name}`;
    const message = messageProblem(rule, at);
    if (message !== undefined) errors.push(message);
    const expression = stringAt(rule, 'messageExpression');
    if (expression !== '' && expression.trim() === '') {
      errors.push(required(at('messageExpression'), 'messageExpression must be non-empty if specified'));
    }
    const reason = stringAt(rule, 'reason');
    if (rule['reason'] !== undefined && !REASONS.includes(reason)) {
      errors.push(unsupported(at('reason'), reason, REASONS));
    }
    const field = stringAt(rule, 'fieldPath');
    if (field === '') continue;
    const wrong = (detail: string): void => void errors.push(invalid(at('fieldPath'), field, detail));
    if (field.trim() === '') wrong('must be non-empty if specified');
    if (hasLines(field)) wrong('must not contain line breaks');
    // Of what is no structure nobody can tell.
    if (!isBeyondStructure(schema) && typeof findField(field, schema) === 'string') {
      wrong('must be a valid path');
    }
  }
}

function messageProblem(rule: JsonObject, at: (name: string) => string): FieldError | undefined {
  const [text, message] = [stringAt(rule, 'rule').trim(), stringAt(rule, 'message')];
  if (text === '') return required(at('rule'), 'rule is not specified');
  if (message !== '' && message.trim() === '') {
    return invalid(at('message'), message, 'must be non-empty if specified');
  }
  if (hasLines(message.trim())) return invalid(at('message'), message, 'must not contain line breaks');
  return hasLines(text) && message === ''
    ? required(at('message'), 'message must be specified if rule contains line breaks')
    : undefined;
}
