/** A small configuration, changed by each test, and its program as lines. */
import assert from 'node:assert/strict';
import type { LinuxConfig, MountConfig, ProcessConfig, RuntimeConfig } from '../../spec/runtime-config.ts';
import type { Instruction } from '../program/instructions.ts';
import type { CreateContext } from './context.ts';
import { compileCreate } from './create.ts';

export const context: CreateContext = {
  id: 'box',
  bundle: '/bundle',
  rootless: false,
  parent: { type: 'front', stateFolder: '/run/box' },
  root: { type: 'path', path: '/bundle/rootfs' },
  procsFiles: ['/cg/box/cgroup.procs'],
  hierarchies: [{ name: '', path: '/cg/box', fsType: 'cgroup2' }],
  state: (status) => ({ ociVersion: '1.2.0', id: 'box', status, bundle: '/bundle' }),
  hasKcore: true,
};

export const process: ProcessConfig = {
  user: { uid: 0, gid: 0 },
  args: ['sh'],
  env: ['PATH=/bin'],
  cwd: '/',
};
export const TYPES = ['pid', 'network', 'mount', 'ipc', 'uts'] as const;

export function config(changes: Partial<RuntimeConfig> = {}): RuntimeConfig {
  return {
    ociVersion: '1.2.0',
    root: { path: 'rootfs' },
    process,
    linux: { namespaces: TYPES.map((type) => ({ type })) },
    ...changes,
  };
}

export const withLinux = (linux: LinuxConfig): RuntimeConfig =>
  config({ linux: { namespaces: TYPES.map((type) => ({ type })), ...linux } });
export const withProcess = (changes: Partial<ProcessConfig>): RuntimeConfig =>
  config({ process: { ...process, ...changes } });
export const withMounts = (...mounts: MountConfig[]): RuntimeConfig => config({ mounts });

export const text = (program: readonly Instruction[]): string[] =>
  program.map(({ opcode, args }) => [opcode, ...args.map((arg) => (arg === '' ? '-' : arg))].join(' '));

/** The lines of these opcodes. */
export function linesOf(
  given: RuntimeConfig,
  opcodes: string,
  changes: Partial<CreateContext> = {},
): string[] {
  const wanted = new Set(opcodes.split(' '));
  return text(compileCreate(given, { ...context, ...changes }).filter(({ opcode }) => wanted.has(opcode)));
}

export function assertOrder(program: readonly Instruction[], opcodes: string): void {
  const all = program.map(({ opcode }) => opcode as string);
  let at = 0;
  for (const opcode of opcodes.split(' ')) {
    const found = all.indexOf(opcode, at);
    assert.ok(found >= 0, `${opcode} after ${all.slice(0, at).join(' ')}`);
    at = found + 1;
  }
}

export const owned: LinuxConfig = {
  namespaces: [...TYPES, 'user' as const].map((type) => ({ type })),
  uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
  gidMappings: [{ containerID: 0, hostID: 2000, size: 3 }],
};
