/** What a ValidatingAdmissionPolicy's expressions say of one request. */
import { CelError } from '../../../api/cel/program.ts';
import { objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';
import { Evaluation, expressionsOf } from './expressions.ts';
import type { Facts } from './variables.ts';

export interface Refusal {
  readonly message: string;
  readonly reason: string;
  /** Of spec.validations; undefined when the policy itself has failed. */
  readonly index?: number;
}

export interface Judged {
  readonly name: string;
  readonly spec: JsonObject;
  readonly failsOpen: boolean;
  readonly params?: JsonObject;
}

export interface Judgement {
  readonly refusals: readonly Refusal[];
  /** For the audit event. */
  readonly annotations: readonly (readonly [string, string])[];
}

export async function judgement({ name, spec, failsOpen, params }: Judged, facts: Facts): Promise<Judgement> {
  const evaluation = new Evaluation(expressionsOf(spec), facts, params);
  const refusals: Refusal[] = [];
  const annotations: (readonly [string, string])[] = [];
  for (const [index, validation] of objectsAt(spec, 'validations').entries()) {
    const expression = stringAt(validation, 'expression');
    try {
      if ((await evaluation.run(expression, 'bool')) === true) continue;
      const reason = stringAt(validation, 'reason') || 'Invalid';
      refusals.push({ index, reason, message: await messageOf(validation, evaluation) });
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      if (failsOpen) continue;
      const message = `expression '${expression.trim()}' resulted in error: ${error.message}`;
      refusals.push({ index, reason: 'Invalid', message });
    }
  }
  for (const annotation of objectsAt(spec, 'auditAnnotations')) {
    const key = stringAt(annotation, 'key');
    try {
      const value = await evaluation.run(stringAt(annotation, 'valueExpression'));
      if (typeof value === 'string' && value !== '')
        annotations.push([`${name}/${key}`, value.slice(0, 10_240)]);
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      if (failsOpen) continue;
      const message = `audit annotation '${key}' resulted in error: ${error.message}`;
      refusals.push({ reason: 'Invalid', message });
    }
  }
  return { refusals, annotations };
}

async function messageOf(validation: JsonObject, evaluation: Evaluation): Promise<string> {
  const expression = stringAt(validation, 'messageExpression');
  if (expression !== '') {
    try {
      const text = await evaluation.run(expression, 'string');
      if (typeof text === 'string' && text.trim() !== '' && !text.includes('\n') && text.length <= 5120) {
        return text.trim();
      }
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
    }
  }
  const message = stringAt(validation, 'message').trim();
  return message === '' ? `failed expression: ${stringAt(validation, 'expression').trim()}` : message;
}
