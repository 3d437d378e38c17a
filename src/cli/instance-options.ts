import { mkdirSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { PlatformError, errorMessage } from '../base/errors.ts';
import { instanceOf, type Instance } from '../base/instance.ts';
import type { CommandInput } from './command-table.ts';

export interface InstancePaths {
  readonly instance: Instance;
  /** The admin kubeconfig; the bearer token stands beside it as `token`. */
  readonly kubeconfig: string;
}

/**
 * Which instance a command is about. The default instance keeps its kubeconfig in ~/.sampan; any other keeps it in its
 * data folder, so that two instances never overwrite each other's.
 */
export function instanceOptions(options: CommandInput['options']): InstancePaths {
  const isRoot = process.getuid?.() === 0;
  const given = options['data-dir'];
  const dataDir =
    typeof given === 'string'
      ? resolve(given)
      : isRoot
        ? '/var/lib/sampan'
        : join(homedir(), '.local/share/sampan');
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new PlatformError('invalid', `--data-dir ${dataDir}: ${errorMessage(error)}`, {
      cause: error,
      hint: 'choose a folder that you can write to',
    });
  }
  const runRoot = isRoot
    ? '/run/sampan'
    : join(process.env['XDG_RUNTIME_DIR'] ?? `/tmp/sampan-${process.getuid?.()}`, 'sampan');
  const instance = instanceOf(realpathSync(dataDir), runRoot);
  const kubeconfig = options['kubeconfig'];
  return {
    instance,
    kubeconfig:
      typeof kubeconfig === 'string'
        ? resolve(kubeconfig)
        : given === undefined
          ? join(homedir(), '.sampan/kubeconfig')
          : join(instance.dataDir, 'kubeconfig'),
  };
}
