/** What is in /dev unless the configuration brings a /dev of the host's: default devices, links, and devices asked for. */
import type { DeviceConfig, RuntimeConfig } from '../../spec/runtime-config.ts';
import { type Instruction, step } from '../program/instructions.ts';
import { isBind } from './mounts.ts';
import { clean } from './steps.ts';

/** config-linux.md, "Default Devices": name, major, minor. */
const DEFAULT_DEVICES: readonly (readonly [string, number, number])[] = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
];

/** runtime-linux.md, "Dev symbolic links", and the multiplexer of the container's own pseudo-terminals. */
const LINKS: readonly (readonly [string, string])[] = [
  ['pts/ptmx', '/dev/ptmx'],
  ['/proc/self/fd', '/dev/fd'],
  ['/proc/self/fd/0', '/dev/stdin'],
  ['/proc/self/fd/1', '/dev/stdout'],
  ['/proc/self/fd/2', '/dev/stderr'],
];

export function deviceSteps(config: RuntimeConfig, hasKcore: boolean): Instruction[] {
  if (config.mounts?.some((mount) => isBind(mount) && clean(mount.destination) === '/dev') === true)
    return [];
  const devices = new Map<string, DeviceConfig>(
    DEFAULT_DEVICES.map(([name, major, minor]) => [
      `/dev/${name}`,
      { path: `/dev/${name}`, type: 'c', major, minor },
    ]),
  );
  for (const device of config.linux?.devices ?? []) devices.set(clean(device.path), device);
  // Always the link: the host's multiplexer would open the host's terminals.
  devices.delete('/dev/ptmx');
  return [
    ...[...devices].map(([path, device]) => deviceStep(path, device)),
    ...LINKS.map(([target, path]) => step('symlink', target, path)),
    ...(hasKcore ? [step('symlink', '/proc/kcore', '/dev/core')] : []),
  ];
}

function deviceStep(path: string, device: DeviceConfig): Instruction {
  const { type, major = 0, minor = 0, fileMode = 0o666, uid = 0, gid = 0 } = device;
  const kind = type === 'b' || type === 'p' ? type : 'c';
  // Some callers copy st_mode, with the bits that say what kind of file it is.
  const mode = (fileMode & 0o7777).toString(8);
  return step('device', path, kind, mode, String(major), String(minor), String(uid), String(gid));
}
