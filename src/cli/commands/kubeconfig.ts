import { readFileSync } from 'node:fs';
import { PlatformError } from '../../base/errors.ts';
import type { CommandInput } from '../command-table.ts';
import { instanceOptions } from '../instance-options.ts';

export function run({ options }: CommandInput): Promise<number> {
  const { instance } = instanceOptions(options);
  const file = adminKubeconfig(instance.dataDir);
  try {
    process.stdout.write(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new PlatformError(
      'not-found',
      `no kubeconfig in ${instance.dataDir}: no cluster has been started there`,
      {
        cause: error,
        hint: 'run `sampan up` first',
      },
    );
  }
  return Promise.resolve(0);
}

/** The data folder's own copy, whatever --kubeconfig said. */
export function adminKubeconfig(dataDir: string): string {
  return `${dataDir}/pki/admin.kubeconfig`;
}
