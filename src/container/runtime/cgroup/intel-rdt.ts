/** `linux.intelRdt`: cache and memory bandwidth by groups of the resctrl file system. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import { makeDirectory, readValue, removeDirectory, writeValue } from '../../../kernel/cgroup-files.ts';
import type { LinuxConfig } from '../../spec/runtime-config.ts';
import type { IntelRdtPlace } from './contract.ts';
import type { IntelRdtStatistics } from './statistics-types.ts';

const FIELD = 'linux.intelRdt';

/** `invalid` when the configuration names a group that cannot be one. */
export function intelRdtPlace(id: string, config: NonNullable<LinuxConfig['intelRdt']>): IntelRdtPlace {
  const { closID = '', l3CacheSchema = '', memBwSchema = '', schemata = [] } = config;
  if (closID !== '' && !isGroupName(closID))
    throw new PlatformError('invalid', `${FIELD}.closID: "${closID}" is not the name of a resctrl group`);
  // In this order, so that a line of `schemata` has the last word.
  const lines = [l3CacheSchema, memBwSchema, ...schemata].filter((line) => line !== '');
  const monitor = config.enableMonitoring === true || config.enableCMT === true || config.enableMBM === true;
  return {
    group: closID === '' ? id : closID,
    owned: closID === '',
    mustExist: closID !== '' && lines.length === 0,
    ...(lines.length > 0 && { schemata: lines }),
    // A group of the container's own is watched as a whole.
    ...(monitor && closID !== '' && { monitoring: id }),
  };
}

function isGroupName(name: string): boolean {
  return !name.includes('/') && !['.', '..', 'info', 'mon_groups', 'mon_data'].includes(name);
}

export class IntelRdtGroup {
  readonly #place: IntelRdtPlace;
  readonly #mount: string | undefined;

  /** @param mount where resctrl is mounted */
  constructor(place: IntelRdtPlace, mount: string | undefined) {
    this.#place = place;
    this.#mount = mount;
  }

  /** A pid belongs to the group once it was written to all of them. */
  get tasksFiles(): string[] {
    if (this.#mount === undefined) return [];
    return [this.#folder, ...this.#monitoring].map((folder) => join(folder, 'tasks'));
  }

  create(undo: DisposableStack): void {
    const { mustExist, schemata, group } = this.#place;
    if (this.#mount === undefined) {
      throw new PlatformError('unsupported', `${FIELD}: no resctrl file system is mounted`, {
        details: { field: FIELD },
        hint: 'mount it where the processor has it: mount -t resctrl resctrl /sys/fs/resctrl',
      });
    }
    if (mustExist && !existsSync(this.#folder))
      throw new PlatformError('not-found', `${FIELD}.closID: there is no group ${group} in ${this.#mount}`);
    for (const folder of [this.#folder, ...this.#monitoring]) {
      if (this.#step(() => makeDirectory(folder))) undo.defer(() => void removeDirectory(folder));
    }
    if (schemata === undefined) return;
    const text = `${schemata.join('\n')}\n`;
    this.#step(() => writeValue(join(this.#folder, 'schemata'), text));
  }

  remove(): void {
    if (this.#mount === undefined) return;
    for (const folder of this.#monitoring) removeDirectory(folder);
    if (this.#place.owned) removeDirectory(this.#folder);
  }

  stats(): IntelRdtStatistics {
    if (this.#mount === undefined || !existsSync(this.#folder)) return {};
    const lines = (folder: string): string[] =>
      readValue(join(folder, 'schemata'))
        .split('\n')
        .map((line) => line.trim());
    const [root, own] = [lines(this.#mount), lines(this.#folder)];
    const find = (all: readonly string[], name: string): string | undefined =>
      all.findLast((line) => line.startsWith(name));
    const info = (name: string, keys: readonly string[]): Record<string, string> | undefined => {
      const folder = join(this.#mount!, 'info', name);
      if (!existsSync(folder)) return undefined;
      return Object.fromEntries(
        keys.flatMap((key) =>
          existsSync(join(folder, key)) ? [[key, readValue(join(folder, key))] as const] : [],
        ),
      );
    };
    const cache = info('L3', ['cbm_mask', 'min_cbm_bits', 'num_closids']);
    const bandwidth = info('MB', ['bandwidth_gran', 'delay_linear', 'min_bandwidth', 'num_closids']);
    return {
      ...(cache !== undefined && {
        l3_cache_info: numeric(cache, 'cbm_mask'),
        ...defined('l3_cache_schema_root', find(root, 'L3')),
        ...defined('l3_cache_schema', find(own, 'L3')),
      }),
      ...(bandwidth !== undefined && {
        mem_bw_info: numeric(bandwidth),
        ...defined('mem_bw_schema_root', find(root, 'MB')),
        ...defined('mem_bw_schema', find(own, 'MB')),
      }),
      schemata: own,
      ...this.#monitored(),
    };
  }

  get #folder(): string {
    return join(this.#mount ?? '', this.#place.group);
  }

  get #monitoring(): string[] {
    const { monitoring } = this.#place;
    return monitoring === undefined ? [] : [join(this.#folder, 'mon_groups', monitoring)];
  }

  #monitored(): IntelRdtStatistics {
    const [folder = this.#folder] = this.#monitoring;
    const data = join(folder, 'mon_data');
    if (!existsSync(data)) return {};
    const nodes = readdirSync(data)
      .filter((name) => name.startsWith('mon_L3'))
      .toSorted();
    const counters = (names: Readonly<Record<string, string>>): Record<string, number>[] =>
      nodes
        .map((node) =>
          Object.fromEntries(
            Object.entries(names).flatMap(([key, file]) => {
              const path = join(data, node, file);
              return existsSync(path) ? [[key, Number(readValue(path))]] : [];
            }),
          ),
        )
        .filter((each) => Object.keys(each).length > 0);
    const mbm = counters({ mbm_total_bytes: 'mbm_total_bytes', mbm_local_bytes: 'mbm_local_bytes' });
    const cmt = counters({ llc_occupancy: 'llc_occupancy' });
    return { ...(mbm.length > 0 && { mbm_stats: mbm }), ...(cmt.length > 0 && { cmt_stats: cmt }) };
  }

  /** resctrl says in a file of its own what it did not like. */
  #step<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      const { code, details } = error;
      const { errno, path } = details;
      if (typeof errno !== 'string' || typeof path !== 'string') throw error;
      const status = join(this.#mount ?? '', 'info/last_cmd_status');
      const words = existsSync(status) ? readValue(status) : '';
      const why = words === '' || words === 'ok' ? errno : `${errno} (${words})`;
      throw new PlatformError(code, `${FIELD}: ${path}: ${why}`, {
        cause: error,
        details: { ...details, field: FIELD },
      });
    }
  }
}

function numeric(
  values: Readonly<Record<string, string>>,
  ...text: readonly string[]
): Record<string, never> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, text.includes(key) ? value : Number(value)]),
  ) as Record<string, never>;
}

function defined(key: string, value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { [key]: value };
}
