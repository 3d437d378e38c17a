import type { Resource } from '../../resource.ts';
import type { AdmissionRequest } from '../admission.ts';
import { CallFailure } from './call.ts';
import type { Webhook } from './configurations.ts';

/** False when a match condition says that the webhook has no say in this; a condition that fails is a failed call. */
export async function conditionsHold(
  request: AdmissionRequest,
  webhook: Webhook,
  as: Resource,
): Promise<boolean> {
  if (webhook.conditions.length === 0) return true;
  const { matchConditions } = await import('../policy/conditions.ts');
  const outcome = await matchConditions(request, webhook.conditions, as);
  if (outcome === 'match' || outcome === 'no match') return outcome === 'match';
  throw new CallFailure(webhook.name, outcome.error);
}
