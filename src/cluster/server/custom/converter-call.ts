/** The call that a conversion by somebody's program is. */
import type { JsonObject } from '../../api/json.ts';
import type { ServerParts } from '../context.ts';
import type { Answered } from '../webhooks/json-exchange.ts';

const TIMEOUT_SECONDS = 30;

/** Of a WebhookClientConfig, with JSON of a ConversionReview. Throws `timeout` or `unavailable`. */
export async function callConverter(
  clientConfig: JsonObject,
  review: Uint8Array,
  server: ServerParts,
): Promise<Answered> {
  const { post } = await import('../webhooks/client.ts');
  return await post({ clientConfig, body: review, timeoutSeconds: TIMEOUT_SECONDS }, server);
}
