import type { CommandInput } from '../command-table.ts';
import { wantsJson } from '../output.ts';
import { packageVersion } from '../package-root.ts';

export function run({ options }: CommandInput): Promise<number> {
  const versions = { sampan: packageVersion(), node: process.version, kubernetes: 'v1.36.0' };
  process.stdout.write(
    wantsJson(options)
      ? `${JSON.stringify(versions)}\n`
      : `sampan ${versions.sampan} (Node ${versions.node}, presents Kubernetes ${versions.kubernetes})\n`,
  );
  return Promise.resolve(0);
}
