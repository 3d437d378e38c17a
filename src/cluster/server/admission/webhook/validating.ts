import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts';
import { isExempt, matches } from '../matching/rules.ts';
import { answerFailure, CallFailure, callWebhook } from './call.ts';
import { conditionsHold } from './conditions.ts';
import { Webhooks, type Webhook } from './configurations.ts';

/** Webhooks that only say yes or no, all at once. */
export function validatingWebhooks(): AdmissionPlugin {
  const webhooks = new Webhooks('validatingwebhookconfigurations');
  return {
    name: 'ValidatingAdmissionWebhook',
    handles: (request) => webhooks.current(request.server).length > 0 && !isExempt(request),
    async validate(request) {
      const calls = webhooks.current(request.server).map((webhook, index) => call(request, webhook, index));
      // All answers are waited for: none may come back to a request that is over.
      const results = await Promise.allSettled(calls);
      for (const result of results) {
        if (result.status === 'rejected') throw result.reason;
      }
    },
  };
}

async function call(request: AdmissionRequest, webhook: Webhook, index: number): Promise<void> {
  try {
    const as = matches(request, webhook.matcher);
    if (as === undefined || !(await conditionsHold(request, webhook, as))) return;
    await callWebhook(request, webhook, { as, type: 'validating' });
  } catch (thrown) {
    const error = answerFailure(webhook, thrown);
    if (!(error instanceof CallFailure) || !webhook.failsOpen) throw error;
    request.audit(`failed-open.validating.webhook.admission.k8s.io/round_0_index_${index}`, webhook.name);
    request.server.log.warn('a webhook failed and was ignored', {
      webhook: webhook.name,
      error: error.message,
    });
  }
}
