/** Reading numbers from cgroup files. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../../kernel/cgroup-files.ts';
import type { Counter, Pressure, PressureStatistics } from './statistics-types.ts';

/** What v1 and v2 print for `no limit` once it is a number: 2^64 - 1. */
export const NO_LIMIT = 2n ** 64n - 1n;

/** The text of a file, `undefined` when the kernel has none (or the cgroup has just gone). */
export function readText(folder: string | undefined, file: string): string | undefined {
  if (folder === undefined) return undefined;
  try {
    return readFileSync(join(folder, file), 'utf8').trim();
  } catch (error) {
    // EOPNOTSUPP: pressure files of a kernel that was booted without PSI.
    if (['ENOENT', 'ENODEV', 'EOPNOTSUPP', 'ENOTSUP'].includes(errnoOf(error))) return undefined;
    throw error;
  }
}

export function parseCounter(text: string): Counter {
  if (text === 'max') return NO_LIMIT;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

export function readCounter(folder: string | undefined, file: string): Counter | undefined {
  const text = readText(folder, file);
  return text === undefined || text === '' ? undefined : parseCounter(text);
}

/** Lines of `key value`. */
export function readPairs(folder: string | undefined, file: string): Record<string, Counter> | undefined {
  const text = readText(folder, file);
  if (text === undefined) return undefined;
  const pairs = text.split('\n').map((line) => line.split(' '));
  return Object.fromEntries(
    pairs.flatMap(([key, value]) => (key && value ? [[key, parseCounter(value)]] : [])),
  );
}

/** `0-2,5` as numbers. */
export function parseList(text: string): number[] {
  return text
    .split(',')
    .filter(Boolean)
    .flatMap((part) => {
      const [from = 0, to = from] = part.split('-').map(Number);
      return Array.from({ length: to - from + 1 }, (_, index) => from + index);
    });
}

/** Those of the properties that are not zero, empty or absent. */
export function nonZero<T extends object>(properties: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(properties).filter(
      ([, value]) =>
        value !== undefined &&
        value !== 0 &&
        value !== 0n &&
        value !== '' &&
        !(Array.isArray(value) && value.length === 0),
    ),
  ) as Partial<T>;
}

export function add(one: Counter, other: Counter): Counter {
  return typeof one === 'number' && typeof other === 'number' ? one + other : BigInt(one) + BigInt(other);
}

export function multiply(one: Counter, factor: number): Counter {
  const product = Number(one) * factor;
  return Number.isSafeInteger(product) ? product : BigInt(one) * BigInt(factor);
}

/** `undefined` when the kernel does not watch it. */
export function readPressure(folder: string | undefined, file: string): { psi?: PressureStatistics } {
  const text = readText(folder, file);
  if (text === undefined || text === '') return {};
  const none: Pressure = { avg10: 0, avg60: 0, avg300: 0, total: 0 };
  const psi = { some: none, full: none };
  for (const line of text.split('\n')) {
    const [name, ...values] = line.split(' ');
    if (name !== 'some' && name !== 'full') continue;
    const number = (key: string): number =>
      Number(values.find((value) => value.startsWith(`${key}=`))?.slice(key.length + 1) ?? 0);
    psi[name] = {
      avg10: number('avg10'),
      avg60: number('avg60'),
      avg300: number('avg300'),
      total: number('total'),
    };
  }
  return { psi };
}

const KIB = 1024;

/** Sizes of huge pages that this machine has, as the files of the hugetlb controller call them. */
export function hugePageSizes(folder = '/sys/kernel/mm/hugepages'): string[] {
  try {
    return readdirSync(folder).flatMap((name) => {
      const kib = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? 0);
      if (kib === 0) return [];
      if (kib >= KIB * KIB) return [`${kib / KIB / KIB}GB`];
      return [kib >= KIB ? `${kib / KIB}MB` : `${kib}KB`];
    });
  } catch {
    return [];
  }
}
