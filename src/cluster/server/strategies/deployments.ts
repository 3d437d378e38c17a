/** A deployment's annotations go to its replica sets: a change of them is a change to act on. */
import { jsonEqual } from '../../api/json.ts';
import type { Strategy } from '../resource.ts';
import { templated } from './pod-templates.ts';

const template = templated('spec', 'template');

export const deploymentStrategy: Strategy = {
  fixedInStatus: ['labels'],
  prepareForCreate(deployment) {
    deployment.status = {};
    template.prepareForCreate?.(deployment);
  },
  prepareForUpdate(deployment, old) {
    template.prepareForUpdate?.(deployment, old);
    const { annotations = {}, generation = 0 } = old.metadata;
    if (!jsonEqual(deployment.metadata.annotations ?? {}, annotations))
      deployment.metadata.generation = generation + 1;
  },
};
