/** Processes in containers that run, and connections into pods: CRI's ExecSync, Exec, Attach and PortForward. */
import { stat } from 'node:fs/promises';
import type { Duplex, Readable } from 'node:stream';

import { PlatformError } from '../../base/errors.ts';
import type * as v1 from '../cri/generated/types.ts';
import type { ContainerStreams, ExecStreams, StreamingService } from '../cri/streaming.ts';
import { usesHostNetwork } from './container-spec.ts';
import type { Containers } from './containers.ts';
import type { EngineContext } from './context.ts';
import { dialLoopback } from './dial.ts';
import type { ContainerRecord } from './records.ts';
import type { Sandboxes } from './sandboxes.ts';

/** What ExecSync keeps of each output, in bytes; the rest is read and dropped. */
const KEPT_OUTPUT = 1 << 20;

export class Streams implements StreamingService {
  readonly #context: EngineContext;
  readonly #containers: Containers;
  readonly #sandboxes: Sandboxes;

  constructor(context: EngineContext, parts: { containers: Containers; sandboxes: Sandboxes }) {
    this.#context = context;
    this.#containers = parts.containers;
    this.#sandboxes = parts.sandboxes;
  }

  async exec(request: v1.ExecRequest): Promise<ExecStreams> {
    const { cmd = [], tty = false, stdin = false } = request;
    const { id } = this.#running(request.containerId);
    const process = await this.#context.runtime.exec(id, { args: checked(cmd), terminal: tty, stdin });
    if (!tty) return process;
    process.stderr.resume();
    const { stdin: input, stdout, exited } = process;
    return {
      ...(input !== undefined && { stdin: input }),
      stdout,
      exited,
      resize: (size) => process.resize(size),
      [Symbol.dispose]: () => process[Symbol.dispose](),
    };
  }

  /** `timeout` when the command takes longer than it may; it is killed then. */
  async execSync({ containerId, cmd = [], timeout = 0 }: v1.ExecSyncRequest): Promise<v1.ExecSyncResponse> {
    const { id } = this.#running(containerId);
    using process = await this.#context.runtime.exec(id, {
      args: checked(cmd),
      terminal: false,
      stdin: false,
    });
    const late = Promise.withResolvers<never>();
    late.promise.catch(() => {});
    const deadline = timeout > 0 ? AbortSignal.timeout(timeout * 1000) : undefined;
    const text = `command ${JSON.stringify(cmd)} timed out`;
    deadline?.addEventListener('abort', () => late.reject(new PlatformError('timeout', text)), {
      once: true,
    });
    const all = Promise.all([process.exited, kept(process.stdout), kept(process.stderr)]);
    all.catch(() => {});
    const [exitCode, stdout, stderr] = await Promise.race([all, late.promise]);
    return { exitCode, stdout, stderr };
  }

  async attach(request: v1.AttachRequest): Promise<ContainerStreams> {
    const { id } = this.#running(request.containerId);
    return await this.#context.runtime.attach(id, { stdin: request.stdin === true });
  }

  async portForward(podSandboxId: string, port: number): Promise<Duplex> {
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      throw new PlatformError('invalid', `${port} is not a port`);
    const sandbox = this.#sandboxes.require(podSandboxId);
    if (sandbox.phase !== 'ready') {
      throw new PlatformError('conflict', `sandbox ${sandbox.id} is ${sandbox.phase}, not ready`);
    }
    const { kernel, runtime } = this.#context;
    if (usesHostNetwork(sandbox.config)) return await dialLoopback(kernel, { port });
    const { pid } = await runtime.state(sandbox.id);
    const netns = `/proc/${pid}/ns/net`;
    // The process may be another one by now, and its namespace anybody's.
    if ((await stat(netns)).ino !== sandbox.namespaces['net']) {
      throw new PlatformError('unavailable', `the network of sandbox ${sandbox.id} is gone`);
    }
    return await dialLoopback(kernel, { port, netns });
  }

  #running(id = ''): ContainerRecord {
    const record = this.#containers.require(id);
    if (record.phase === 'running') return record;
    throw new PlatformError('conflict', `container ${record.id} is not running: it is ${record.phase}`);
  }
}

function checked(args: readonly string[]): readonly string[] {
  if (args.length === 0) throw new PlatformError('invalid', 'cmd: must be given');
  const nul = args.find((text) => text.includes('\0'));
  if (nul !== undefined) throw new PlatformError('invalid', `cmd: a NUL byte in ${JSON.stringify(nul)}`);
  return args;
}

async function kept(output: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of output as AsyncIterable<Buffer>) {
      if (size < KEPT_OUTPUT) parts.push(part.subarray(0, KEPT_OUTPUT - size));
      size += part.length;
    }
  } catch {
    // Cut off because the process was killed: its exit says so.
  }
  return Buffer.concat(parts);
}
