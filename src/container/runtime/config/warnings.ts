/** What of a checked configuration is passed over or on its way out: no error, but to be said. */
import { isAbsolute } from 'node:path';
import type { CapabilitySet, MountConfig, ProcessConfig, RuntimeConfig } from '../../spec/runtime-config.ts';
import { CAPABILITY_NAMES } from '../capabilities.ts';
import { parseMountOptions } from '../compile/mount-options.ts';
import { isBind } from '../compile/mounts.ts';
import { type HostSupport, thisHost } from './host.ts';

/** One message each, beginning with the JSON path. */
export function configWarnings(config: RuntimeConfig, host: HostSupport = thisHost): string[] {
  return [
    ...(config.process === undefined ? [] : processWarnings(config.process, 'process', host)),
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

/** A capability that is too new for us, or more than we have ourselves, is not given: config.md wants it said. */
export function processWarnings(
  process: ProcessConfig,
  path: string,
  host: HostSupport = thisHost,
): string[] {
  const given = Object.entries(process.capabilities ?? {}) as [
    CapabilitySet,
    readonly string[] | undefined,
  ][];
  const names = new Map(
    given.flatMap(([set, list = []]) =>
      list.map((name, index) => [name, `${path}.capabilities.${set}[${index}]`]),
    ),
  );
  return [...names].flatMap(([name, at]) => {
    const number = CAPABILITY_NAMES.indexOf(name);
    if (number < 0) return [`${at}: "${name}" is not known and not given`];
    return host.mayHave(number) ? [] : [`${at}: "${name}" is not ours to give`];
  });
}
