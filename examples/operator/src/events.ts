import { ApiException, type CoreV1Api } from '@kubernetes/client-node';
import { MANAGER } from './children.ts';
import { API_VERSION, KIND, type Site } from './site.ts';

/** Tells people what the operator did. An event that cannot be written is no reason to fail. */
export async function recordEvent(
  core: CoreV1Api,
  site: Site,
  { type, reason, message }: { type: 'Normal' | 'Warning'; reason: string; message: string },
): Promise<void> {
  const { name, namespace, uid, resourceVersion = '' } = site.metadata;
  const now = new Date();
  try {
    await core.createNamespacedEvent({
      namespace,
      body: {
        metadata: { generateName: `${name}.`, namespace },
        involvedObject: { apiVersion: API_VERSION, kind: KIND, name, namespace, uid, resourceVersion },
        type,
        reason,
        message,
        source: { component: MANAGER },
        firstTimestamp: now,
        lastTimestamp: now,
        count: 1,
      },
    });
  } catch (error) {
    if (!(error instanceof ApiException)) throw error;
    process.stderr.write(`event ${reason} of ${namespace}/${name}: ${error.message}\n`);
  }
}
