import { isPlatformError } from '../../base/errors.ts';
import type { ApiObject, Controller } from '../client/contract.ts';
import { secrets, serviceAccounts } from '../client/kinds.ts';
import { enqueues, keyOf, queueController } from './queue-controller.ts';
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
    const { namespace = '', annotations = {} } = secret.metadata ?? {};
    const name = annotations[ACCOUNT_NAME] ?? '';
    const wanted = annotations[ACCOUNT_UID] ?? '';
    const isMeant = (account: ApiObject | undefined): account is ApiObject =>
      account !== undefined && (wanted === '' || account.metadata?.uid === wanted);
    const cached = accounts.get(`${namespace}/${name}`);
    // Ours may be older than the secret.
    const account = isMeant(cached) ? cached : await found(name, namespace);
    if (!isMeant(account)) return await remove(secret);
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

  async function found(name: string, namespace: string): Promise<ApiObject | undefined> {
    try {
      return await client.get(serviceAccounts, { name, namespace });
    } catch (error) {
      if (isPlatformError(error, 'not-found')) return undefined;
      throw error;
    }
  }

  async function remove({ metadata }: ApiObject): Promise<void> {
    const { name = '', namespace = '', uid = '' } = metadata ?? {};
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
      enqueues(kept, (secret) => [keyOf(secret)]),
      enqueues(accounts, (account) => kept.byIndex('account', keyOf(account)).map(keyOf)),
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
