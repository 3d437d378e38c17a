/** Definitions of custom resources: which versions objects may be stored in is noted with the write that makes it so. */
import { listAt, objectAt, objectsAt, stringAt } from '../../api/json.ts';
import type { KubeObject } from '../object.ts';
import { USERS_METADATA, type Strategy } from '../resource.ts';

function noteStored(definition: KubeObject): void {
  const storage = objectsAt(definition, 'spec', 'versions').find((version) => version['storage'] === true);
  const stored = listAt(definition, 'status', 'storedVersions');
  const name = stringAt(storage, 'name');
  if (storage === undefined || stored.includes(name)) return;
  definition.status = { ...objectAt(definition, 'status'), storedVersions: [...stored, name] };
}

export const definitionStrategy: Strategy = {
  fixedInStatus: USERS_METADATA,
  prepareForCreate(definition) {
    // Clients of upstream see all three, also when nothing is known yet.
    definition.status = { conditions: null, acceptedNames: { plural: '', kind: '' }, storedVersions: null };
    noteStored(definition);
  },
  prepareForUpdate: noteStored,
};
