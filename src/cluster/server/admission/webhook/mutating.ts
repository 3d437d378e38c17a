import { isPlatformError } from '../../../../base/errors.ts';
import { jsonEqual } from '../../../api/json.ts';
import type { KubeObject } from '../../object.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts';
import { outOfVersion } from '../matching/equivalent.ts';
import { isExempt, matches } from '../matching/rules.ts';
import { replace } from '../replace.ts';
import { answerFailure, CallFailure, callWebhook, internalError } from './call.ts';
import { conditionsHold } from './conditions.ts';
import { Webhooks, type Webhook } from './configurations.ts';

interface Memory {
  /** Called, and to be called again when others have changed the object since. */
  readonly called: Set<string>;
  readonly again: Set<string>;
  last: KubeObject | undefined;
}

/** Webhooks that may change objects, one after the other; those that ask for it a second time after others' changes. */
export function mutatingWebhooks(): AdmissionPlugin {
  const webhooks = new Webhooks('mutatingwebhookconfigurations');
  return {
    name: 'MutatingAdmissionWebhook',
    handles: (request) => webhooks.current(request.server).length > 0 && !isExempt(request),
    async mutate(request) {
      const { round } = request;
      const memory = round.memory('MutatingAdmissionWebhook', (): Memory => ({
        called: new Set(),
        again: new Set(),
        last: undefined,
      }));
      if (round.isSecond && !jsonEqual(request.object, memory.last)) askAgain(memory);
      for (const [index, webhook] of webhooks.current(request.server).entries()) {
        if (round.isSecond && !memory.again.has(webhook.id)) continue;
        const changed = await call(request, webhook, index);
        if (changed === undefined) continue;
        if (changed) {
          askAgain(memory);
          round.repeat();
        }
        if (webhook.reinvoked) memory.called.add(webhook.id);
      }
      memory.last = request.object && structuredClone(request.object);
    },
  };
}

function askAgain({ called, again }: Memory): void {
  for (const id of called) again.add(id);
  called.clear();
}

/** Undefined when the webhook was not asked; true when it has changed the object. */
async function call(
  request: AdmissionRequest,
  webhook: Webhook,
  index: number,
): Promise<boolean | undefined> {
  const { round, audit, object } = request;
  const key = `round_${round.isSecond ? 1 : 0}_index_${index}`;
  const { configuration, name } = webhook;
  let changed: boolean;
  try {
    const as = matches(request, webhook.matcher);
    if (as === undefined || !(await conditionsHold(request, webhook, as))) return undefined;
    const result = await callWebhook(request, webhook, { as, type: 'admit' });
    changed = result !== undefined;
    if (result !== undefined && object !== undefined) {
      put(request, object, await outOfVersion(request, result, as));
    }
  } catch (thrown) {
    const error = answerFailure(webhook, thrown);
    if (!(error instanceof CallFailure)) throw error;
    if (!webhook.failsOpen) {
      audit(`failed.mutation.webhook.admission.k8s.io/${key}`, name);
      throw error;
    }
    audit(`failed-open.mutation.webhook.admission.k8s.io/${key}`, name);
    request.server.log.warn('a webhook failed and was ignored', { webhook: name, error: error.message });
    changed = false;
  }
  audit(
    `mutation.webhook.admission.k8s.io/${key}`,
    JSON.stringify({ configuration, webhook: name, mutated: changed }),
  );
  return changed;
}

/** What the webhook has made must still be one of its kind. */
function put(request: AdmissionRequest, object: KubeObject, made: KubeObject): void {
  try {
    replace(request, object, made);
  } catch (error) {
    if (!isPlatformError(error)) throw error;
    throw internalError(error.message.replace(/^.*? cannot be handled as a \w+: /, ''));
  }
}
