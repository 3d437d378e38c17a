/** Device rules as the lines of a v1 devices cgroup. */
import { PlatformError } from '../../../base/errors.ts';
import {
  accessText,
  ALL_ACCESS,
  checkDeviceRules,
  type CheckedRule,
  type DeviceType,
} from './device-rules.ts';

/**
 * What a v1 devices cgroup knows: whether it allows or denies by default, and the exceptions. Keys are
 * `c 1:*`, values bits of ACCESS.
 */
export interface DeviceState {
  readonly allow: boolean;
  readonly exceptions: ReadonlyMap<string, number>;
}

export interface DeviceLine {
  readonly file: 'devices.allow' | 'devices.deny';
  readonly value: string;
}

/**
 * The state that an ordered list of rules amounts to. A v1 cgroup cannot except something from an exception: a rule
 * that would is `unsupported`, since the container would get more than it was given.
 */
export function deviceState(rules: readonly CheckedRule[]): DeviceState {
  let allowByDefault = false;
  const exceptions = new Map<string, number>();
  for (const { allow, device } of rules) {
    if (device === undefined) {
      allowByDefault = allow;
      exceptions.clear();
      continue;
    }
    const key = keyOf(device);
    if (allow !== allowByDefault) {
      exceptions.set(key, (exceptions.get(key) ?? 0) | device.access);
      continue;
    }
    for (const [other, access] of exceptions) {
      if ((access & device.access) === 0 || !overlaps(key, other)) continue;
      if (!covers(key, other)) {
        throw new PlatformError(
          'unsupported',
          `linux.resources.devices: ${allow ? 'allowing' : 'denying'} ${key} within ${other} needs cgroup v2`,
        );
      }
      const left = access & ~device.access;
      if (left === 0) exceptions.delete(other);
      else exceptions.set(other, left);
    }
  }
  return { allow: allowByDefault, exceptions };
}

/** The state that devices.list tells. Of a list of exceptions to `allow` it tells nothing. */
export function parseDeviceList(text: string): DeviceState {
  const lines = text.split('\n').filter(Boolean);
  if (lines.some((line) => line.startsWith('a '))) return { allow: true, exceptions: new Map() };
  const rules = lines.map((line) => {
    const [, type = '', major = '', minor = '', access = ''] =
      /^([bc]) (\d+|\*):(\d+|\*) ([rwm]+)$/.exec(line) ?? [];
    const number = (digits: string): number => (digits === '*' ? -1 : Number(digits));
    return { allow: true, type, major: number(major), minor: number(minor), access };
  });
  return deviceState(checkDeviceRules(rules));
}

/**
 * The fewest lines from one state to another: a running container must not lose, for a moment, what it has before
 * and after. A cgroup that allows by default does not tell its exceptions, so it always starts anew.
 */
export function deviceTransition(from: DeviceState, to: DeviceState): DeviceLine[] {
  const fileFor = (allow: boolean): DeviceLine['file'] => (allow ? 'devices.allow' : 'devices.deny');
  const fresh = from.allow || to.allow;
  const before = fresh ? new Map<string, number>() : from.exceptions;
  const lines: DeviceLine[] = fresh ? [{ file: fileFor(to.allow), value: 'a *:* rwm' }] : [];
  const line = (allow: boolean, key: string, access: number): void => {
    if (access !== 0) lines.push({ file: fileFor(allow), value: `${key} ${accessText(access)}` });
  };
  // First what is taken away: removing `c *:* w` must not take a `c 1:3 w` with it that has just been added.
  for (const [key, access] of before) line(to.allow, key, access & ~(to.exceptions.get(key) ?? 0));
  for (const [key, access] of to.exceptions) line(!to.allow, key, access & ~(before.get(key) ?? 0));
  return lines;
}

/** Access that the state grants to everything: nothing needs to be set up. */
export function allowsAll(state: DeviceState): boolean {
  return state.allow && state.exceptions.size === 0;
}

function keyOf(device: NonNullable<CheckedRule['device']>): string {
  return `${device.type} ${device.major ?? '*'}:${device.minor ?? '*'}`;
}

interface Key {
  readonly type: DeviceType;
  readonly numbers: readonly string[];
}

function parseKey(key: string): Key {
  return { type: key[0] as DeviceType, numbers: key.slice(2).split(':') };
}

function overlaps(one: string, other: string): boolean {
  const [left, right] = [parseKey(one), parseKey(other)];
  return left.type === right.type && left.numbers.every((n, i) => same(n, right.numbers[i]!, true));
}

/** Every device of `inner` is one of `outer`. */
function covers(outer: string, inner: string): boolean {
  const [left, right] = [parseKey(outer), parseKey(inner)];
  return left.type === right.type && left.numbers.every((n, i) => same(n, right.numbers[i]!, false));
}

function same(one: string, other: string, bothWays: boolean): boolean {
  return one === '*' || one === other || (bothWays && other === '*');
}

/** What DeviceAllow= of systemd.resource-control(5) says of the state; `undefined` when it cannot say it. */
export function systemdDevices(
  state: DeviceState,
): { policy: 'auto' | 'strict'; allow: readonly (readonly [string, string])[] } | undefined {
  if (allowsAll(state)) return { policy: 'auto', allow: [] };
  if (state.allow) return undefined;
  const allow = [...state.exceptions].map(([key, access]): readonly [string, string] => {
    const { type, numbers } = parseKey(key);
    const [major = '*', minor = '*'] = numbers;
    const kind = type === 'b' ? 'block' : 'char';
    // systemd 240 and later take `char-136`.
    const path = minor !== '*' && major !== '*' ? `/dev/${kind}/${major}:${minor}` : `${kind}-${major}`;
    return [path, accessText(access & ALL_ACCESS)];
  });
  return { policy: 'strict', allow };
}
