/** What of a checked configuration is passed over or on its way out: no error, but to be said. */
import { isAbsolute } from 'node:path';
import type { CapabilitySet, MountConfig, ProcessConfig, RuntimeConfig } from '../../spec/runtime-config.ts';
import { CAPABILITY_NAMES } from '../capabilities.ts';
import { parseMountOptions } from '../compile/mount-options.ts';
import { isBind } from '../compile/mounts.ts';

/** One message each, beginning with the JSON path. */
export function configWarnings(config: RuntimeConfig): string[] {
  return [
    ...(config.process === undefined ? [] : processWarnings(config.process, 'process')),
    ...(config.mounts ?? []).flatMap((mount, index) => mountWarnings(mount, `mounts[${index}]`)),
  ];
}

function mountWarnings(mount: MountConfig, path: string): string[] {
  const { destination, options } = mount;
  const { data } = parseMountOptions(options);
  return [
    ...(isAbsolute(destination)
      ? []
      : [`${path}.destination: "${destination}" is relative, which is deprecated; taken as /${destination}`]),
    // A bind mount has no options of a file system; the kernel, and with it runc before 1.2, takes no notice of them.
    ...(data !== '' && isBind(mount) ? [`${path}.options: "${data}" has no meaning for a bind mount`] : []),
  ];
}

/** A capability that is too new for us is not given, as by runc. */
export function processWarnings(process: ProcessConfig, path: string): string[] {
  const known = new Set(CAPABILITY_NAMES);
  return (
    Object.entries(process.capabilities ?? {}) as [CapabilitySet, readonly string[] | undefined][]
  ).flatMap(([set, names = []]) =>
    names.flatMap((name, index) =>
      known.has(name) ? [] : [`${path}.capabilities.${set}[${index}]: "${name}" is not known and not given`],
    ),
  );
}
