/** Every command: what `help` shows and where its code is. The code of a command loads when it runs. */
import { PlatformError } from '../base/errors.ts';
import { apiServerOptions } from './api-server-options.ts';

export type OptionValue = string | boolean | readonly string[] | undefined;

export interface CommandInput {
  readonly options: Readonly<Record<string, OptionValue>>;
  readonly operands: readonly string[];
}

export interface OptionSpec {
  readonly name: string;
  readonly short?: string;
  /** Name of the value in help; a flag when absent. */
  readonly value?: string;
  /** May be given several times; its value is a list. */
  readonly repeatable?: boolean;
  readonly help: string;
}

export interface Command {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  readonly options: readonly OptionSpec[];
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** Arguments from the first operand on are not parsed here. */
  readonly passesArguments?: boolean;
  /** The command's module; `run` resolves to the exit code. */
  readonly load: () => Promise<{ run(input: CommandInput): Promise<number> }>;
}

const dataDir: OptionSpec = {
  name: 'data-dir',
  value: 'DIR',
  help: 'where everything lasting is kept (default /var/lib/sampan, or ~/.local/share/sampan when not root)',
};

const datastore: OptionSpec = {
  name: 'datastore',
  value: 'URL',
  help: 'where the cluster is kept: etcd://HOST:PORT,…[?ca=FILE&cert=FILE&key=FILE] (default: a file in the data folder)',
};

const encryption: OptionSpec = {
  name: 'encryption-provider-config',
  value: 'FILE',
  help: 'an EncryptionConfiguration: which resources are encrypted in the datastore, and with which keys',
};

const output: OptionSpec = {
  name: 'output',
  short: 'o',
  value: 'FORMAT',
  help: 'json for programs (default: text for people)',
};

const kubeconfig: OptionSpec = {
  name: 'kubeconfig',
  value: 'FILE',
  help: 'where the admin kubeconfig is written (default ~/.sampan/kubeconfig; DIR/kubeconfig with --data-dir)',
};

export const commands: readonly Command[] = [
  {
    name: 'up',
    usage:
      'sampan up [--detach] [--data-dir DIR] [--port N] [--no-node] [--kubeconfig FILE]\n         [--datastore URL] [--encryption-provider-config FILE]\n         [--pki DIR] [--service-cidr CIDR] [flags of kube-apiserver]',
    summary: 'start a one-node cluster; runs in the foreground unless detached',
    options: [
      { name: 'detach', short: 'd', help: 'return once the API answers and the node is ready' },
      dataDir,
      {
        name: 'port',
        value: 'N',
        help: "the API server's port on 127.0.0.1 (default 6443; 0 picks a free one)",
      },
      { name: 'no-node', help: 'the control plane alone: no containers, no root needed' },
      kubeconfig,
      datastore,
      encryption,
      {
        name: 'pki',
        value: 'DIR',
        help: 'what servers on one datastore have alike: authorities, the key for tokens, the admin token (made when missing)',
      },
      {
        name: 'service-cidr',
        value: 'CIDR',
        help: 'where cluster addresses come from; the same on all servers of a datastore (default: chosen)',
      },
      ...apiServerOptions,
      { name: 'verbose', short: 'v', help: 'debug lines in the log' },
    ],
    examples: [
      ['sampan up --detach', 'start in the background'],
      ['sampan up --no-node --port 0 --data-dir ./cluster', 'an API server for tests, as any user'],
      [
        'sampan up --audit-policy-file audit.yaml --audit-log-path /var/log/audit.log --audit-log-maxbackup 5',
        'with a record of who did what',
      ],
      ['sampan up --event-ttl 24h --service-node-port-range 20000-22767', 'other limits'],
      [
        'sampan up --datastore etcd://10.0.0.1:2379 --pki /etc/sampan/pki --service-cidr 10.96.0.0/16',
        'one of several servers on an etcd: start the first, copy the folder to the others',
      ],
    ],
    load: () => import('./commands/up.ts'),
  },
  {
    name: 'down',
    usage: 'sampan down [--data-dir DIR]',
    summary: 'stop the cluster and remove every process, link, rule and cgroup of it; data stays',
    options: [dataDir],
    examples: [['sampan down', 'stop the default instance']],
    load: () => import('./commands/down.ts'),
  },
  {
    name: 'run',
    usage: 'sampan run [options] IMAGE [COMMAND [ARG…]]',
    summary: 'run a program in a container, without a daemon; its exit code becomes ours',
    options: [
      dataDir,
      {
        name: 'env',
        short: 'e',
        value: 'NAME=VALUE',
        repeatable: true,
        help: 'an environment variable; may be repeated',
      },
      { name: 'workdir', short: 'w', value: 'DIR', help: 'working directory inside the container' },
      { name: 'user', short: 'u', value: 'USER[:GROUP]', help: 'user inside the container' },
      { name: 'hostname', value: 'NAME', help: "the container's host name (default: the start of its id)" },
      { name: 'memory', short: 'm', value: 'SIZE', help: 'memory limit: bytes, or with k, m, g' },
      { name: 'cpus', value: 'N', help: 'processor limit, a fraction allowed' },
      { name: 'pids-limit', value: 'N', help: 'how many processes it may have' },
      { name: 'network', value: 'MODE', help: 'none (default: loopback only) or host' },
      { name: 'read-only', help: 'a root file system that cannot be written' },
      { name: 'privileged', help: 'all capabilities, nothing masked' },
    ],
    passesArguments: true,
    examples: [
      ['sampan run busybox echo hello', 'one command'],
      ['echo hi | sampan run busybox cat', 'standard input is passed on'],
      ['sampan run -m 64m --pids-limit 20 busybox sh', 'a shell with limits'],
    ],
    load: () => import('./commands/run.ts'),
  },
  {
    name: 'status',
    usage: 'sampan status [-o json] [--data-dir DIR]',
    summary: 'whether the cluster runs, and what is in it; exit code 3 when it does not run',
    options: [output, dataDir],
    examples: [['sampan status -o json', 'for programs']],
    load: () => import('./commands/status.ts'),
  },
  {
    name: 'kubeconfig',
    usage: 'sampan kubeconfig [--data-dir DIR]',
    summary: 'print the admin kubeconfig',
    options: [dataDir],
    examples: [['sampan kubeconfig > ~/.kube/config', 'make it the default of kubectl']],
    load: () => import('./commands/kubeconfig.ts'),
  },
  {
    name: 'image',
    usage:
      'sampan image from-host NAME PROGRAM…\n       sampan image ls [-o json]\n       sampan image rm NAME…',
    summary: 'pack programs of this host with their libraries as an image; list and remove images',
    options: [
      dataDir,
      output,
      {
        name: 'entrypoint',
        value: 'WORDS',
        help: 'what the image always runs; its command then is arguments',
      },
      { name: 'cmd', value: 'WORDS', help: "the image's default command (default: the first program)" },
      { name: 'workdir', short: 'w', value: 'DIR', help: "the image's working directory" },
      {
        name: 'add',
        value: 'FILE:PATH',
        repeatable: true,
        help: 'one more file, and where it goes; may be repeated',
      },
    ],
    examples: [
      ['sampan image from-host tools sh ls cat grep', 'a small image from this host'],
      ['sampan image ls', 'what there is'],
    ],
    load: () => import('./commands/image.ts'),
  },
  {
    name: 'backup',
    usage: 'sampan backup FILE [--data-dir DIR] [--datastore URL]',
    summary: 'write what the cluster is to a file, also while it runs; of an etcd its own snapshot',
    options: [dataDir, datastore],
    examples: [['sampan backup /backups/monday', 'a running cluster goes on meanwhile']],
    load: () => import('./commands/backup.ts'),
  },
  {
    name: 'restore',
    usage: 'sampan restore FILE [--data-dir DIR]',
    summary: 'put a backup in the place of what a stopped cluster is',
    options: [dataDir],
    examples: [['sampan down && sampan restore /backups/monday && sampan up -d', 'back to Monday']],
    load: () => import('./commands/restore.ts'),
  },
  {
    name: 'version',
    usage: 'sampan version [-o json]',
    summary: "Sampan's version, Node's, and the Kubernetes version it presents",
    options: [output],
    examples: [['sampan version', '']],
    load: () => import('./commands/version.ts'),
  },
  {
    name: 'help',
    usage: 'sampan help [COMMAND]',
    summary: 'this text, or that of a command',
    options: [],
    examples: [['sampan help run', 'options and examples of `run`']],
    load: () => import('./commands/help.ts'),
  },
];

export function findCommand(name: string): Command {
  const command = commands.find((candidate) => candidate.name === name);
  if (command !== undefined) return command;
  const near = commands.find(({ name: other }) => other.startsWith(name.slice(0, 2)));
  const hint =
    near === undefined ? 'see `sampan help`' : `did you mean \`sampan ${near.name}\`? See \`sampan help\``;
  throw new PlatformError('invalid', `unknown command "${name}"`, { hint, details: { usage: true } });
}
