import { forbidden } from '../../failure.ts';
import type { Resource } from '../../resource.ts';
import type { AdmissionRequest } from '../admission.ts';
import type { Webhook } from './configurations.ts';

/** False when a match condition says that the webhook has no say in this; one that fails is for the failure policy to judge. */
export async function conditionsHold(
  request: AdmissionRequest,
  webhook: Webhook,
  as: Resource,
): Promise<boolean> {
  if (webhook.conditions.length === 0) return true;
  const { ask } = await import('../policy/ask.ts');
  const outcome = await ask(request, as, { about: 'conditions', conditions: webhook.conditions });
  if (outcome === 'match' || outcome === 'no match') return outcome === 'match';
  if (webhook.failsOpen) return false;
  throw forbidden(request.resource, request.name, outcome.error);
}
