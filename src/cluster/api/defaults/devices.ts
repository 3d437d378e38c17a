import { isJsonObject, objectsAt, type JsonObject } from '../json.ts';
import { isEmpty } from './fill.ts';

export function resourceClaimDefaults(claim: JsonObject): void {
  for (const request of objectsAt(claim, 'spec', 'devices', 'requests')) {
    if (isJsonObject(request['exactly'])) requestDefaults(request['exactly']);
    for (const alternative of objectsAt(request, 'firstAvailable')) requestDefaults(alternative);
  }
  for (const result of objectsAt(claim, 'status', 'allocation', 'devices', 'results'))
    tolerationDefaults(result);
}

export function resourceClaimTemplateDefaults(template: JsonObject): void {
  if (isJsonObject(template['spec'])) resourceClaimDefaults(template['spec']);
}

function requestDefaults(request: JsonObject): void {
  if (isEmpty(request['allocationMode'])) request['allocationMode'] = 'ExactCount';
  if (request['allocationMode'] === 'ExactCount' && isEmpty(request['count'])) request['count'] = 1;
  tolerationDefaults(request);
}

function tolerationDefaults(holder: JsonObject): void {
  for (const toleration of objectsAt(holder, 'tolerations')) {
    if (isEmpty(toleration['operator'])) toleration['operator'] = 'Equal';
  }
}
