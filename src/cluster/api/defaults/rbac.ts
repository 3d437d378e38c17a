import { objectsAt, stringAt, type JsonObject } from '../json.ts';
import { ensureObject, isEmpty } from './fill.ts';

const RBAC = 'rbac.authorization.k8s.io';

export function roleBindingDefaults(binding: JsonObject): void {
  const role = ensureObject(binding, 'roleRef');
  if (isEmpty(role['apiGroup'])) role['apiGroup'] = RBAC;
  for (const subject of objectsAt(binding, 'subjects')) {
    const kind = stringAt(subject, 'kind');
    if ((kind === 'User' || kind === 'Group') && isEmpty(subject['apiGroup'])) subject['apiGroup'] = RBAC;
  }
}
