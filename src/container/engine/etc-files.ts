import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type * as v1 from '../cri/generated/types.ts';
import type { BindMount } from '../runtime/runtime.ts';
import { sandboxHostname, usesHostNetwork } from './container-spec.ts';

const FILES = ['hostname', 'hosts', 'resolv.conf'] as const;

/** Writes a sandbox's own /etc/hosts, /etc/hostname and /etc/resolv.conf, which all its containers see. */
export async function writeEtcFiles(
  folder: string,
  config: v1.PodSandboxConfig,
  ips: readonly string[],
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const hostname = sandboxHostname(config);
  await writeFile(join(folder, 'hostname'), `${hostname}\n`);
  if (usesHostNetwork(config)) await copyFile('/etc/hosts', join(folder, 'hosts'));
  else await writeFile(join(folder, 'hosts'), hostsFile(hostname, ips));
  const resolv = resolvConf(config.dnsConfig);
  if (resolv === undefined) await copyHostResolver(join(folder, 'resolv.conf'));
  else await writeFile(join(folder, 'resolv.conf'), resolv);
}

export function etcMounts(folder: string): readonly BindMount[] {
  return FILES.map((name) => ({ source: join(folder, name), destination: `/etc/${name}` }));
}

function hostsFile(hostname: string, ips: readonly string[]): string {
  const own = ips.map((ip) => `${ip}\t${hostname}\n`).join('');
  return `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${own}`;
}

/** resolv.conf(5); undefined when the sandbox asks for nothing, which means the host's. */
export function resolvConf(dns: v1.DNSConfig | undefined): string | undefined {
  const { servers = [], searches = [], options = [] } = dns ?? {};
  if (servers.length + searches.length + options.length === 0) return undefined;
  return [
    ...(searches.length > 0 ? [`search ${searches.join(' ')}\n`] : []),
    ...servers.map((server) => `nameserver ${server}\n`),
    ...(options.length > 0 ? [`options ${options.join(' ')}\n`] : []),
  ].join('');
}

async function copyHostResolver(path: string): Promise<void> {
  await copyFile('/etc/resolv.conf', path).catch(async (error: NodeJS.ErrnoException) => {
    // A machine without a resolver is a machine without a resolver.
    if (error.code !== 'ENOENT') throw error;
    await writeFile(path, '');
  });
}
