import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '../api/generated/core-v1.ts';
import type { KubeletContext } from './context.ts';
import { podUid } from './pod-terms.ts';
import { podFullName, podHostname } from './sandbox-config.ts';

/** The text of a pod's /etc/hosts: loopback, its own address and names, its aliases. */
export function hostsText(
  pod: Pod,
  facts: { readonly ips: readonly string[]; readonly clusterDomain: string },
): string {
  const full = podFullName(pod, facts.clusterDomain);
  const names = full === undefined ? podHostname(pod) : `${full}\t${podHostname(pod)}`;
  const lines = [
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...facts.ips.map((ip) => `${ip}\t${names}`),
  ];
  return `${[...lines, ...aliases(pod)].join('\n')}\n`;
}

function aliases(pod: Pod): string[] {
  return (pod.spec?.hostAliases ?? []).map(({ ip = '', hostnames = [] }) => [ip, ...hostnames].join('\t'));
}

/** Writes the pod's hosts file and says where it is. With the host's network: the host's own, and the aliases. */
export async function hostsFile(context: KubeletContext, pod: Pod, ips: readonly string[]): Promise<string> {
  const folder = join(context.folders.podsDir, podUid(pod));
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const path = join(folder, 'etc-hosts');
  const text =
    pod.spec?.hostNetwork === true
      ? `${await readFile('/etc/hosts', 'utf8').catch(() => '127.0.0.1\tlocalhost\n')}${aliases(pod).join('\n')}\n`
      : hostsText(pod, { ips, clusterDomain: context.clusterDomain });
  // In place: running containers of the pod have this very inode mounted.
  if (text !== (await readFile(path, 'utf8').catch(() => undefined)))
    await writeFile(path, text, { mode: 0o644 });
  return path;
}
