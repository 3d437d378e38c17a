import { readFileSync } from 'node:fs';
import { PlatformError } from '../base/errors.ts';

/** What an admin of the instance shows the API server: its bearer token, and the CA to know the server by. */
export function adminCredentials(dataDir: string): { readonly ca: string; readonly token: string } {
  try {
    return {
      ca: readFileSync(`${dataDir}/pki/ca.crt`, 'utf8'),
      token: readFileSync(`${dataDir}/pki/admin.token`, 'utf8').trim(),
    };
  } catch (error) {
    throw new PlatformError('not-found', `no credentials in ${dataDir}/pki`, {
      cause: error,
      hint: 'run `sampan up` first',
    });
  }
}
