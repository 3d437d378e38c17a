/** What is served here is available from the start: nobody needs to ask. */
import { isJsonObject } from '../../api/json.ts';
import { USERS_METADATA, type Strategy } from '../resource.ts';

export const LOCAL = { reason: 'Local', message: 'Local APIServices are always available' };

export const apiServiceStrategy: Strategy = {
  fixedInStatus: USERS_METADATA,
  prepareForCreate(service) {
    if (isJsonObject(service.spec?.['service'])) {
      service.status = {};
      return;
    }
    const lastTransitionTime = service.metadata.creationTimestamp ?? null;
    service.status = { conditions: [{ lastTransitionTime, ...LOCAL, status: 'True', type: 'Available' }] };
  },
};
