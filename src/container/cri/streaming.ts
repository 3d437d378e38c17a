/**
 * CRI's streaming RPCs (Exec, Attach, PortForward) answer with an address that the kubelet sends its clients to. In
 * the same process the streams themselves are handed out. Errors are PlatformErrors, as everywhere in the contract.
 */
import type { Duplex, Readable, Writable } from 'node:stream';

import type * as v1 from './generated/types.ts';

/** Of a process in a container, or of the container's own; disposing lets go of them. */
export interface ContainerStreams extends Disposable {
  /** To end it is the end of file for the process. Absent when nobody asked for it or there is none. */
  readonly stdin?: Writable;
  readonly stdout: Readable;
  /** Absent with a terminal. */
  readonly stderr?: Readable;
  /** Characters; nothing without a terminal. */
  resize(size: { readonly width: number; readonly height: number }): void;
}

/** Disposing kills the process. */
export interface ExecStreams extends ContainerStreams {
  /** 0..255, 128 + signal when killed by one. */
  readonly exited: Promise<number>;
}

export interface StreamingService {
  exec(request: v1.ExecRequest): Promise<ExecStreams>;
  attach(request: v1.AttachRequest): Promise<ContainerStreams>;
  /** A connection to 127.0.0.1, or else ::1, inside the pod's network namespace; `unavailable` when nobody listens. */
  portForward(podSandboxId: string, port: number): Promise<Duplex>;
}
