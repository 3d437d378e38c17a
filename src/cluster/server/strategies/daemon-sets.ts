/** A daemon set counts the changes of its template, in an annotation since apps/v1 has no field for it. */
import { jsonEqual, getPath, stringAt } from '../../api/json.ts';
import type { KubeObject } from '../object.ts';
import type { Strategy } from '../resource.ts';
import { templated } from './pod-templates.ts';

const GENERATION = 'deprecated.daemonset.template.generation';
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
    number(set, Math.max(generationOf(set), 1));
  },
  prepareForUpdate(set, old) {
    templated(...TEMPLATE).prepareForUpdate?.(set, old);
    const changed = !jsonEqual(getPath(set, ...TEMPLATE), getPath(old, ...TEMPLATE));
    number(set, generationOf(old) + (changed ? 1 : 0));
  },
  prepareForStatus(set, old) {
    number(set, generationOf(old));
  },
};

function generationOf(set: KubeObject): number {
  const text = stringAt(set, 'metadata', 'annotations', GENERATION);
  return /^[+-]?\d+$/.test(text) ? Number(text) : 0;
}

function number(set: KubeObject, generation: number): void {
  set.metadata.annotations = { ...set.metadata.annotations, [GENERATION]: String(generation) };
}
