/** `sampan run`: a container on our own stdio, without a daemon, that does not outlive us. */
import { constants } from 'node:os';
import { join } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import type { ContainerSpec } from './runtime.ts';
import { type RuntimeOptions, ShimRuntime } from './shim-runtime.ts';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

/** Apart from the daemon's containers, which it alone may list: state in `<runDir>/f`, cgroups beside its parent. */
function foregroundRuntime(options: RuntimeOptions): ShimRuntime {
  const { instance } = options;
  return new ShimRuntime(options, {
    stateRoot: join(instance.runDir, 'f'),
    cgroupOf: ({ id }) => `${instance.cgroupParent}-${id}`,
  });
}

/**
 * Runs the container to its end and removes it; resolves with its exit code. Signals that we get meanwhile go to the
 * container. The errors of `create` carry `details.exitCode` (127 not found, 126 not executable) where a shell would
 * end with it. `spec.stdio` and `spec.cgroup` are not used.
 */
export async function runForeground(options: RuntimeOptions, spec: ContainerSpec): Promise<number> {
  if (spec.process === undefined) throw new PlatformError('invalid', `container ${spec.id}: no command`);
  await sweepForeground(options);
  const runtime = foregroundRuntime(options);
  const { id } = spec;
  const early: number[] = [];
  let forward = (signal: number): void => void early.push(signal);
  const listeners = FORWARDED.map((name) => {
    const listener = (): void => forward(constants.signals[name]);
    process.on(name, listener);
    return { name, listener };
  });
  try {
    await runtime.create({ ...spec, stdio: { type: 'inherit' } });
    const ended = runtime.wait(id);
    ended.catch(() => {});
    await runtime.start(id);
    forward = (signal) => void runtime.kill(id, signal).catch(() => {});
    for (const signal of early) forward(signal);
    const { exitCode = 137 } = await ended;
    return exitCode;
  } finally {
    try {
      await runtime.delete(id, { force: true });
    } finally {
      for (const { name, listener } of listeners) process.off(name, listener);
      await runtime[Symbol.asyncDispose]();
    }
  }
}

/** Removes what foreground runs that were killed have left. */
export async function sweepForeground(options: RuntimeOptions): Promise<void> {
  await using runtime = foregroundRuntime(options);
  await runtime.sweepOwnerless();
}
