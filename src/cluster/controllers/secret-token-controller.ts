import { isPlatformError } from '../../base/errors.ts';
import type { ApiObject, Controller } from '../client/contract.ts';
import { secrets, serviceAccounts } from '../client/kinds.ts';
import { enqueues, queueController } from './queue-controller.ts';
import type { RootCaPublisherEnvironment } from './root-ca-publisher.ts';

export const TOKEN_TYPE = 'kubernetes.io/service-account-token';
const ACCOUNT_NAME = 'kubernetes.io/service-account.name';
const ACCOUNT_UID = 'kubernetes.io/service-account.uid';

export interface SecretTokenEnvironment extends RootCaPublisherEnvironment {
  /** A token without an end for the account, which the secret is to keep. */
  readonly secretToken: (account: ApiObject, secret: ApiObject) => Promise<string>;
}

/**
 * Fills in secrets that somebody makes for the token of a service account, and removes them with the account
 * (https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets).
 */
export function createSecretTokenController(environment: SecretTokenEnvironment): Controller {
  const { client, informers, rootCa, secretToken } = environment;
  const accounts = informers.informer(serviceAccounts);
  const kept = informers.informer(secrets, {
    fieldSelector: `type=${TOKEN_TYPE}`,
    indexes: { account: ({ metadata }) => [accountKey(metadata)] },
  });

  async function reconcile(key: string): Promise<void> {
    const secret = kept.get(key);
    if (secret === undefined || secret.metadata?.deletionTimestamp !== undefined) return;
    const { namespace = '', uid = '', annotations = {} } = secret.metadata ?? {};
    const name = annotations[ACCOUNT_NAME] ?? '';
    const wanted = annotations[ACCOUNT_UID] ?? '';
    let account = accounts.get(`${namespace}/${name}`);
    if (account === undefined || (wanted !== '' && account.metadata?.uid !== wanted)) {
      // Ours may be older than the secret.
      account = await client.get(serviceAccounts, { name, namespace }).catch((error: unknown) => {
        if (isPlatformError(error, 'not-found')) return undefined;
        throw error;
      });
      if (account === undefined || (wanted !== '' && account.metadata?.uid !== wanted)) {
        await removed(secret, uid);
        return;
      }
    }
    const data = {
      ...secret.data,
      'ca.crt': base64(rootCa),
      namespace: secret.data?.['namespace'] ?? base64(namespace),
      token: secret.data?.['token'] ?? base64(await secretToken(account, secret)),
    };
    const same = Object.entries(data).every(([field, value]) => secret.data?.[field] === value);
    if (same && wanted !== '') return;
    await client.update(secrets, {
      ...secret,
      metadata: {
        ...secret.metadata,
        annotations: { ...annotations, [ACCOUNT_UID]: account.metadata?.uid ?? '' },
      },
      data,
    });
  }

  async function removed({ metadata }: ApiObject, uid: string): Promise<void> {
    const { name = '', namespace = '' } = metadata ?? {};
    try {
      await client.delete(secrets, { name, namespace }, { uid });
    } catch (error) {
      if (!isPlatformError(error, 'not-found', 'conflict')) throw error;
    }
  }

  return queueController({
    name: 'serviceaccount-token',
    environment,
    sources: [
      enqueues(kept, ({ metadata }) => [`${metadata?.namespace}/${metadata?.name}`]),
      enqueues(accounts, ({ metadata }) =>
        kept
          .byIndex('account', `${metadata?.namespace}/${metadata?.name}`)
          .map((secret) => `${secret.metadata?.namespace}/${secret.metadata?.name}`),
      ),
    ],
    reconcile,
  });
}

function accountKey(metadata: ApiObject['metadata']): string {
  return `${metadata?.namespace}/${metadata?.annotations?.[ACCOUNT_NAME]}`;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
