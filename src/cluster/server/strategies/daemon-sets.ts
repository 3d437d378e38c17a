/** A daemon set counts the changes of its template, in an annotation since apps/v1 has no field for it. */
import { TEMPLATE_GENERATION } from '../../api/defaults/workloads.ts';
import { jsonEqual, getPath, stringAt } from '../../api/json.ts';
import { goQuote } from '../../api/field-error.ts';
import { badRequest } from '../failure.ts';
import type { KubeObject } from '../object.ts';
import type { Strategy } from '../resource.ts';
import { templated } from './pod-templates.ts';

const IS_NUMBER = /^[+-]?\d+$/;
const TEMPLATE = ['spec', 'template'] as const;

export const daemonSetStrategy: Strategy = {
  prepareForCreate(set) {
    set.status = {
      currentNumberScheduled: 0,
      desiredNumberScheduled: 0,
      numberMisscheduled: 0,
      numberReady: 0,
    };
    templated(...TEMPLATE).prepareForCreate?.(set);
    checkGeneration(set);
    number(set, Math.max(generationOf(set), 1));
  },
  prepareForUpdate(set, old) {
    templated(...TEMPLATE).prepareForUpdate?.(set, old);
    checkGeneration(set);
    const changed = !jsonEqual(getPath(set, ...TEMPLATE), getPath(old, ...TEMPLATE));
    number(set, generationOf(old) + (changed ? 1 : 0));
  },
  prepareForStatus(set, old) {
    number(set, generationOf(old));
  },
};

function checkGeneration(set: KubeObject): void {
  const text = stringAt(set, 'metadata', 'annotations', TEMPLATE_GENERATION);
  if (IS_NUMBER.test(text)) return;
  const why = `strconv.ParseInt: parsing ${goQuote(text)}: invalid syntax`;
  throw badRequest(`DaemonSet in version "v1" cannot be handled as a DaemonSet: ${why}`);
}

function generationOf(set: KubeObject): number {
  const text = stringAt(set, 'metadata', 'annotations', TEMPLATE_GENERATION);
  return IS_NUMBER.test(text) ? Number(text) : 0;
}

function number(set: KubeObject, generation: number): void {
  set.metadata.annotations = { ...set.metadata.annotations, [TEMPLATE_GENERATION]: String(generation) };
}
