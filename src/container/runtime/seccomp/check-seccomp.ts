import { PlatformError } from '../../../base/errors.ts';
import type { SeccompConfig } from '../../spec/runtime-config.ts';
import { ACTIONS, ARCHITECTURES, FLAGS, MAX_ERRNO, OPERATORS } from './vocabulary.ts';

/** True when there is a filter to make: without default action and rules seccomp is off, as runc has it. */
export function seccompWanted(config: SeccompConfig | undefined): config is SeccompConfig {
  return (
    config !== undefined &&
    ((config.defaultAction ?? '') !== '' || (Array.isArray(config.syscalls) && config.syscalls.length > 0))
  );
}

/**
 * Checks what may be a `linux.seccomp` and returns it typed. Throws `PlatformError('invalid')`; the message begins with
 * the JSON path of the value below `path` and says the rule, `details.path` is the path alone.
 */
export function checkSeccomp(config: unknown, path = 'linux.seccomp'): SeccompConfig {
  const profile = object(config, path);
  const action = oneOf(profile['defaultAction'], ACTIONS_LIST, `${path}.defaultAction`);
  if (action === 'SCMP_ACT_NOTIFY') {
    refuse(`${path}.defaultAction`, 'must not be SCMP_ACT_NOTIFY: the runtime itself could not go on');
  }
  checkErrno(profile['defaultErrnoRet'], action, `${path}.defaultErrnoRet`);
  each(profile['architectures'], `${path}.architectures`, (value, at) => oneOf(value, ARCHITECTURES, at));
  each(profile['flags'], `${path}.flags`, (value, at) => oneOf(value, FLAGS_LIST, at));
  text(profile['listenerPath'], `${path}.listenerPath`);
  text(profile['listenerMetadata'], `${path}.listenerMetadata`);

  let notifies = false;
  each(profile['syscalls'], `${path}.syscalls`, (value, at) => {
    if (checkRule(object(value, at), at) === 'SCMP_ACT_NOTIFY') notifies = true;
  });
  checkListener(profile, path, notifies);
  return profile as unknown as SeccompConfig;
}

const ACTIONS_LIST = Object.keys(ACTIONS);
const FLAGS_LIST = Object.keys(FLAGS);

function checkRule(rule: Record<string, unknown>, path: string): string {
  if (!Array.isArray(rule['names']) || rule['names'].length === 0) {
    refuse(`${path}.names`, 'must be a list of at least one system call name');
  }
  const action = oneOf(rule['action'], ACTIONS_LIST, `${path}.action`);
  const names = rule['names'] as readonly unknown[];
  for (let i = 0; i < names.length; i++) {
    const name = names[i];
    if (typeof name !== 'string' || name === '') {
      refuse(`${path}.names[${i}]`, `must be the name of a system call, not ${shown(name)}`);
    }
    // The descriptor of the listener leaves the container by a write(2) under the new filter.
    if (name === 'write' && action === 'SCMP_ACT_NOTIFY') {
      refuse(
        `${path}.names[${i}]`,
        'write must not have SCMP_ACT_NOTIFY: the runtime itself could not go on',
      );
    }
  }
  checkErrno(rule['errnoRet'], action, `${path}.errnoRet`);
  each(rule['args'], `${path}.args`, (value, at) => {
    checkArgument(object(value, at), at);
  });
  return action;
}

function checkArgument(argument: Record<string, unknown>, path: string): void {
  const index = argument['index'];
  if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index > 5) {
    refuse(`${path}.index`, `must be an argument's number from 0 to 5, not ${shown(index)}`);
  }
  oneOf(argument['op'], OPERATORS, `${path}.op`);
  checkValue(argument['value'], `${path}.value`);
  if ((argument['valueTwo'] ?? undefined) !== undefined) checkValue(argument['valueTwo'], `${path}.valueTwo`);
}

function checkValue(value: unknown, path: string): void {
  if (typeof value === 'bigint') {
    if (value >= 0n && value < 1n << 64n) return;
  } else if (typeof value === 'number' && Number.isInteger(value) && value >= 0) {
    if (Number.isSafeInteger(value)) return;
    // JSON.parse has rounded it: `exactIntegers` is the way to read it.
    if (value < 2 ** 64)
      refuse(path, `${value} is above 2^53-1 and may have been rounded; it has to be a bigint`);
  }
  refuse(path, `must be a whole number from 0 to 18446744073709551615, not ${shown(value)}`);
}

function checkErrno(value: unknown, action: string, path: string): void {
  if (value === undefined || value === null) return;
  if (action !== 'SCMP_ACT_ERRNO' && action !== 'SCMP_ACT_TRACE') {
    refuse(path, `is only for SCMP_ACT_ERRNO and SCMP_ACT_TRACE, not for ${action}`);
  }
  const largest = action === 'SCMP_ACT_ERRNO' ? MAX_ERRNO : 0xffff;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > largest) {
    refuse(path, `must be a whole number from 0 to ${largest} with ${action}, not ${shown(value)}`);
  }
}

function checkListener(profile: Record<string, unknown>, path: string, notifies: boolean): void {
  const listener = (profile['listenerPath'] ?? '') !== '';
  if (notifies && !listener) {
    refuse(
      `${path}.listenerPath`,
      'is needed where a rule has SCMP_ACT_NOTIFY: the socket of the seccomp agent',
    );
  }
  if (!listener && (profile['listenerMetadata'] ?? '') !== '') {
    refuse(`${path}.listenerMetadata`, 'must not be set without listenerPath');
  }
  const flags = (profile['flags'] ?? []) as readonly unknown[];
  const wait = flags.indexOf('SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV');
  // seccomp(2) answers EINVAL to the one without the other.
  if (wait >= 0 && !notifies) refuse(`${path}.flags[${wait}]`, 'is only for rules with SCMP_ACT_NOTIFY');
}

function object(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuse(path, `must be an object, not ${shown(value)}`);
  }
  return value as Record<string, unknown>;
}

/** Absent and null are the empty list, as Go's JSON has it. */
function each(value: unknown, path: string, visit: (value: unknown, path: string) => void): void {
  if (value === undefined || value === null) return;
  if (!Array.isArray(value)) refuse(path, `must be a list, not ${shown(value)}`);
  for (const [index, element] of (value as readonly unknown[]).entries()) visit(element, `${path}[${index}]`);
}

function oneOf(value: unknown, accepted: readonly string[], path: string): string {
  if (typeof value === 'string' && accepted.includes(value)) return value;
  return refuse(path, `must be one of ${accepted.join(', ')}, not ${shown(value)}`);
}

function text(value: unknown, path: string): void {
  if (value !== undefined && value !== null && typeof value !== 'string')
    refuse(path, `must be a string, not ${shown(value)}`);
}

function shown(value: unknown): string {
  if (value === undefined) return 'absent';
  if (typeof value === 'bigint') return `${value}`;
  return JSON.stringify(value) ?? typeof value;
}

function refuse(path: string, rule: string): never {
  throw new PlatformError('invalid', `${path}: ${rule}`, { details: { path } });
}
