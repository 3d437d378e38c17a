/** Definitions of custom resources: which versions objects may be stored in is noted with the write that makes it so. */
import { listAt, objectAt, objectsAt, stringAt } from '../../api/json.ts';
import { timeToMs } from '../../api/time.ts';
import { withCondition } from '../custom/definition-status.ts';
import type { KubeObject } from '../object.ts';
import type { Strategy } from '../resource.ts';

/** Held until all objects are gone. */
export const DEFINITION_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';

function noteStored(definition: KubeObject): void {
  const storage = objectsAt(definition, 'spec', 'versions').find((version) => version['storage'] === true);
  const stored = listAt(definition, 'status', 'storedVersions');
  const name = stringAt(storage, 'name');
  if (storage === undefined || stored.includes(name)) return;
  definition.status = { ...objectAt(definition, 'status'), storedVersions: [...stored, name] };
}

export const definitionStrategy: Strategy = {
  prepareForCreate(definition) {
    // Clients of upstream see all three, also when nothing is known yet.
    definition.status = { conditions: null, acceptedNames: { plural: '', kind: '' }, storedVersions: null };
    noteStored(definition);
  },
  prepareForUpdate: noteStored,
  prepareForStatus(definition) {
    // There are objects of at least one version.
    if (listAt(definition, 'status', 'storedVersions').length === 0) noteStored(definition);
  },
  /** Its objects go first. */
  isHeldBack: ({ metadata }) => metadata.deletionTimestamp === undefined,
  markDeleted(definition) {
    const { metadata, status = {} } = definition;
    if (objectsAt(status, 'conditions').some((one) => one['type'] === 'Terminating')) return;
    metadata.finalizers = [...new Set([...(metadata.finalizers ?? []), DEFINITION_FINALIZER])];
    // Upstream deletes definitions in a way of its own.
    delete metadata.deletionGracePeriodSeconds;
    if (metadata.generation !== undefined) metadata.generation -= 1;
    const condition = {
      type: 'Terminating',
      status: 'True',
      reason: 'InstanceDeletionPending',
      message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
    } as const;
    definition.status = withCondition(status, condition, timeToMs(metadata.deletionTimestamp ?? '') ?? 0);
  },
};
