/** Puts device rules into force, whichever way this machine has. */
import { join } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import { readValue, writeValue } from '../../../kernel/cgroup-files.ts';
import type { DeviceRule } from '../../spec/runtime-config.ts';
import { deviceState, deviceTransition, parseDeviceList, type DeviceState } from './device-lists.ts';
import { attachDeviceRules } from './device-program.ts';
import { effectiveRules } from './device-rules.ts';
import type { Machine } from './machine.ts';
import type { CgroupTree } from './tree.ts';

/**
 * In a user namespace neither way is open, and none is needed: the kernel lets no device node be made there, and
 * those bound in are the host's to give.
 */
export function applyDevices(
  tree: CgroupTree,
  machine: Machine,
  options: { readonly rules: readonly DeviceRule[] | undefined; readonly rootless: boolean },
): void {
  const rules = effectiveRules(options.rules);
  if (machine.userNamespace) return;
  try {
    if (tree.version === 2) {
      if (tree.unified !== undefined) attachDeviceRules(machine.kernel, tree.unified, rules);
      return;
    }
    const folder = tree.folderOf('devices');
    if (folder !== undefined) return writeDeviceLists(folder, deviceState(rules));
    if (!options.rootless) throw new PlatformError('unsupported', tree.explain('devices'));
  } catch (error) {
    // An ordinary user may neither load programs nor write lists, and has no rights on devices to lose.
    if (options.rootless && error instanceof PlatformError && error.code === 'forbidden') return;
    throw named(error);
  }
}

export function writeDeviceLists(folder: string, target: DeviceState): void {
  const list = join(folder, 'devices.list');
  for (const { file, value } of deviceTransition(parseDeviceList(readValue(list)), target))
    writeValue(join(folder, file), value);
  // The kernel gives a cgroup no more than its parent has, without a word.
  const result = parseDeviceList(readValue(list));
  const wrong =
    result.allow !== target.allow ||
    (!target.allow && [...target.exceptions].some(([key, access]) => result.exceptions.get(key) !== access));
  if (wrong)
    throw new PlatformError('forbidden', `the rules are more than the cgroup above ${folder} allows`, {
      details: { path: folder },
    });
}

function named(error: unknown): unknown {
  if (!(error instanceof PlatformError) || error.message.startsWith('linux.')) return error;
  return new PlatformError(error.code, `linux.resources.devices: ${error.message}`, {
    cause: error,
    details: { ...error.details, field: 'linux.resources.devices' },
  });
}
