import { readFileSync } from 'node:fs';
import { createClient } from '../../cluster/client/client.ts';
import type { Client } from '../../cluster/client/contract.ts';
import { httpTransport } from '../../cluster/client/http-transport.ts';
import { nodes, pods } from '../../cluster/client/kinds.ts';
import { linuxKernel } from '../../kernel/linux.ts';
import type { CommandInput } from '../command-table.ts';
import { adminCredentials } from '../credentials.ts';
import { findDaemon, type DaemonRecord } from '../daemon.ts';
import { instanceOptions } from '../instance-options.ts';
import { table, wantsJson } from '../output.ts';

/** `systemctl status` answers 3 for a unit that is not running; so do we. */
const NOT_RUNNING = 3;

interface Status {
  readonly running: boolean;
  readonly daemon?: DaemonRecord & { readonly residentBytes: number };
  readonly nodes?: readonly { name: string; ready: boolean }[];
  readonly pods?: { total: number; running: number };
}

export async function run({ options }: CommandInput): Promise<number> {
  const json = wantsJson(options);
  const { instance } = instanceOptions(options);
  const daemon = findDaemon(linuxKernel(), instance);
  if (daemon?.phase !== 'ready') {
    const status: Status = { running: false };
    process.stdout.write(
      json
        ? `${JSON.stringify(status)}\n`
        : `${daemon?.phase ?? 'not running'} (data in ${instance.dataDir})${daemon === undefined ? '; start it with `sampan up`' : ''}\n`,
    );
    return NOT_RUNNING;
  }
  const client = createClient({
    transport: httpTransport({ server: daemon.url, ...adminCredentials(instance.dataDir) }),
    userAgent: 'sampan',
  });
  const status: Status = {
    running: true,
    daemon: { ...daemon, residentBytes: proportionalSetSize(daemon.pid) },
    ...(await contents(client)),
  };
  process.stdout.write(json ? `${JSON.stringify(status)}\n` : forPeople(status));
  return 0;
}

async function contents(client: Client): Promise<Pick<Status, 'nodes' | 'pods'>> {
  const [nodeList, podList] = await Promise.all([client.list(nodes), client.list(pods)]);
  return {
    nodes: nodeList.items.map(({ metadata, status }) => ({
      name: metadata?.name ?? '',
      ready:
        status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false,
    })),
    pods: {
      total: podList.items.length,
      running: podList.items.filter(({ status }) => status?.phase === 'Running').length,
    },
  };
}

function forPeople({ daemon, nodes: nodeList = [], pods: podCounts }: Status): string {
  return table(
    ['SAMPAN', ''],
    [
      ['api', daemon?.url ?? ''],
      ['process', `${daemon?.pid}, ${Math.round((daemon?.residentBytes ?? 0) / 1e6)} MB`],
      [
        'nodes',
        nodeList.map(({ name, ready }) => `${name} (${ready ? 'ready' : 'not ready'})`).join(', ') || 'none',
      ],
      ['pods', `${podCounts?.running} of ${podCounts?.total} running`],
      ['kubeconfig', daemon?.kubeconfig ?? ''],
    ],
  );
}

/** Bytes of memory that are ours alone plus our share of what is shared (proc(5), smaps_rollup). */
function proportionalSetSize(pid: number): number {
  try {
    return (
      Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) * 1024
    );
  } catch {
    return 0;
  }
}
