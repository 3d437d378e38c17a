/** `update`: other limits for a container that runs. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isPlatformError, PlatformError } from '../../../base/errors.ts';
import type { ResourcesConfig, RuntimeConfig } from '../../spec/runtime-config.ts';
import { thisMachine } from '../cgroup/machine.ts';
import { parseRuntimeConfig } from '../config/validate.ts';
import type { StoredContainer } from './container-folder.ts';
import type { OciContext } from './context.ts';
import { notRunning } from './kill.ts';
import { statusOf } from './status.ts';

export interface Update {
  readonly resources: ResourcesConfig;
  /** Lines of resctrl's `schemata`. */
  readonly schemata?: readonly string[];
}

/** Only what is given changes. What was changed when something fails is put back. */
export async function updateContainer(context: OciContext, id: string, update: Update): Promise<void> {
  const { folders, host, front } = context;
  using lock = await folders.lock(id, front.lost);
  const stored = folders.get(id);
  if (statusOf(context, stored) === 'stopped') throw notRunning();
  const config = folders.config(id);
  const resources = checkResources(withSwap(config, update.resources));
  if (update.schemata !== undefined) checkSchemata(stored);
  await host.openCgroup(stored.cgroup).update(resources);
  if (update.schemata !== undefined) writeSchemata(stored, update.schemata);
  lock.writeConfig(merge(config, resources));
}

/** Without a limit of memory there can be none of memory and swap: lifting one lifts the other. */
function withSwap(config: RuntimeConfig, resources: ResourcesConfig): ResourcesConfig {
  const { memory } = resources;
  const hasSwap = memory?.swap !== undefined || config.linux?.resources?.memory?.swap === undefined;
  if (memory?.limit !== -1 || hasSwap) return resources;
  return { ...resources, memory: { ...memory, swap: -1 } };
}

/** By the rules that config.json's have, with the same words. */
function checkResources(resources: ResourcesConfig): ResourcesConfig {
  const config = { ociVersion: '1.2.0', root: { path: '/' }, linux: { resources } };
  try {
    return parseRuntimeConfig(JSON.stringify(config), 'resources').linux?.resources ?? {};
  } catch (error) {
    if (!isPlatformError(error)) throw error;
    const message = error.message.replace(/^linux\.resources\.?/, '');
    throw new PlatformError(error.code, message, { cause: error, details: error.details });
  }
}

function merge(config: RuntimeConfig, changes: ResourcesConfig): RuntimeConfig {
  const merged: Record<string, unknown> = { ...config.linux?.resources };
  for (const [name, value] of Object.entries(changes)) {
    const before = merged[name];
    const both = isRecord(before) && isRecord(value);
    merged[name] = both ? { ...before, ...value } : value;
  }
  return { ...config, linux: { ...config.linux, resources: merged } };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkSchemata({ id, cgroup }: StoredContainer): void {
  if (cgroup.intelRdt !== undefined) return;
  throw new PlatformError('unsupported', `container ${id} has no resctrl group: linux.intelRdt was not set`);
}

function writeSchemata({ cgroup }: StoredContainer, lines: readonly string[]): void {
  const mount = thisMachine().resctrl;
  if (mount === undefined) throw new PlatformError('unsupported', 'resctrl is not mounted');
  writeFileSync(join(mount, cgroup.intelRdt!.group, 'schemata'), lines.map((line) => `${line}\n`).join(''));
}
