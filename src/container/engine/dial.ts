/** Connections to what listens on the loopback interface of a network namespace. */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

import { errorMessage, isPlatformError, PlatformError } from '../../base/errors.ts';
import type { Kernel } from '../../kernel/kernel.ts';

export interface Place {
  readonly port: number;
  /** `/proc/<pid>/ns/net`; our own when absent. */
  readonly netns?: string;
}

/** 127.0.0.1 first, then ::1, as upstream's runtimes try them. `unavailable` when nobody listens. */
export async function dialLoopback(kernel: Kernel, { port, netns }: Place): Promise<Duplex> {
  const failures: string[] = [];
  for (const family of ['ipv4', 'ipv6'] as const) {
    const address = family === 'ipv4' ? '127.0.0.1' : '[::1]';
    try {
      const fd = kernel.connectLoopback(family, port, netns);
      return new Socket({ fd, readable: true, writable: true });
    } catch (error) {
      if (!isPlatformError(error)) throw error;
      failures.push(`${address}:${port}: ${errorMessage(error)}`);
    }
  }
  throw new PlatformError('unavailable', `failed to connect to localhost:${port}: ${failures.join(', ')}`);
}
