/** `linux.resources.devices`: an ordered list in which the last rule that speaks of an access decides; default deny. */
import { PlatformError } from '../../../base/errors.ts';
import type { DeviceRule } from '../../spec/runtime-config.ts';

export type DeviceType = 'b' | 'c';

/** Bits as the kernel numbers them (BPF_DEVCG_ACC_*). */
export const ACCESS = { m: 1, r: 2, w: 4 } as const;
export const ALL_ACCESS = 7;

export interface CheckedRule {
  readonly allow: boolean;
  /** `undefined`: every device, every access. */
  readonly device?: {
    readonly type: DeviceType;
    /** `undefined`: any. */
    readonly major?: number;
    readonly minor?: number;
    /** Bits of ACCESS, at least one. */
    readonly access: number;
  };
}

/**
 * What every container may use whatever its rules say, as with the other runtimes: the devices that runtime-spec's
 * config-linux.md lists, terminals, and tun, which has been there for too long to be taken away. Making nodes is
 * harmless: opening them is what is checked.
 */
export const DEFAULT_DEVICE_RULES: readonly DeviceRule[] = [
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...(
    [
      [1, 3],
      [1, 8],
      [1, 7],
      [5, 0],
      [1, 5],
      [1, 9],
      [136, undefined],
      [5, 2],
      [10, 200],
    ] as const
  ).map(([major, minor]) => ({
    allow: true,
    type: 'c',
    major,
    ...(minor === undefined ? {} : { minor }),
    access: 'rwm',
  })),
];

const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xfffff;

/** `invalid`, naming the rule, when one cannot be understood. */
export function checkDeviceRules(rules: readonly DeviceRule[]): CheckedRule[] {
  return rules.map((rule, index) => {
    const field = `linux.resources.devices[${index}]`;
    const { allow, type = 'a' } = rule;
    if (typeof allow !== 'boolean') throw new PlatformError('invalid', `${field}.allow: want true or false`);
    // As a v1 cgroup reads it: `a` is everything, and whatever else the rule says is not looked at.
    if (type === 'a') return { allow };
    if (type !== 'b' && type !== 'c')
      throw new PlatformError('invalid', `${field}.type: "${type}" is none of a, b and c`);
    const number = (name: 'major' | 'minor', max: number): Record<string, number> => {
      const value = rule[name];
      if (value === undefined || value === null || value < 0) return {};
      if (!Number.isInteger(value) || value > max)
        throw new PlatformError('invalid', `${field}.${name}: ${value} is not a number up to ${max}`);
      return { [name]: value };
    };
    const access = accessBits(rule.access, `${field}.access`);
    return { allow, device: { type, ...number('major', MAX_MAJOR), ...number('minor', MAX_MINOR), access } };
  });
}

function accessBits(text: string | undefined, field: string): number {
  if (text === undefined || text === '') return ALL_ACCESS;
  let bits = 0;
  for (const letter of text) {
    if (letter !== 'r' && letter !== 'w' && letter !== 'm')
      throw new PlatformError('invalid', `${field}: "${text}" has letters other than r, w and m`);
    bits |= ACCESS[letter];
  }
  return bits;
}

export function accessText(bits: number): string {
  return (['r', 'w', 'm'] as const).filter((letter) => (bits & ACCESS[letter]) !== 0).join('');
}

/** The container's own rules, then those that always hold. */
export function effectiveRules(rules: readonly DeviceRule[] | undefined): CheckedRule[] {
  return [...checkDeviceRules(rules ?? []), ...checkDeviceRules(DEFAULT_DEVICE_RULES)];
}
