import type { Attachment } from './bpf.ts';

/**
 * The kernel seam: the only door to Linux for what Node's own `fs`, `net` and `child_process` do not reach.
 * `linux.ts` is the real one (raw system calls through native/seam.c); `recording.ts` writes down what would be done.
 *
 * Every method is synchronous and short (microseconds); what can block runs in a process of its own.
 * Failures are PlatformErrors whose details carry `errno` (its name) and `syscall`.
 */
export interface Kernel {
  /** Opens a pidfd (pidfd_open(2)); `not-found` when there is no such process. */
  pidfdOpen(pid: number): number;
  /** pidfd_send_signal(2). `not-found` when the process has ended. */
  pidfdSendSignal(pidfd: number, signal: number): void;
  /** True while the process behind the pidfd has not ended (poll(2) without waiting). */
  pidfdAlive(pidfd: number): boolean;
  close(fd: number): void;
  /** Takes an exclusive flock(2) on an open descriptor without waiting; false when another holds it. */
  tryLock(fd: number): boolean;
  /**
   * Takes an abstract Unix address (unix(7)) of our network namespace: a descriptor, at whose closing, however the process
   * ends, it is free again. Undefined when another socket has it.
   */
  claimName(name: string): number | undefined;
  /**
   * A netlink socket that belongs to the network namespace at `netns` (`/proc/<pid>/ns/net`), or to our own when
   * absent: setns, socket, setns back, without a turn of the event loop between them.
   */
  netlink(protocol: NetlinkProtocol, netns?: string): NetlinkSocket;
  /**
   * A TCP connection to the loopback address of the network namespace at `netns`, or of our own: its descriptor, which
   * does not block. What is refused is known at once, since no wire is between. `unavailable` when nobody listens.
   */
  connectLoopback(family: 'ipv4' | 'ipv6', port: number, netns?: string): number;
  /** umount2(2) with MNT_DETACH; false when nothing was mounted there. */
  unmountDetached(path: string): boolean;
  /** Free bytes and inodes of the file system at `path` (statfs(2)), and its type's magic number. */
  statfs(path: string): { freeBytes: number; freeInodes: number; type: number };
  /** bpf(2): loads a program of type BPF_PROG_TYPE_CGROUP_DEVICE; its descriptor. The error has the verifier's words. */
  loadDeviceProgram(instructions: Uint8Array): number;
  /** Beside what is attached to the cgroup (a descriptor of its folder), or in one step instead of `replace`. */
  attachDeviceProgram(attachment: Attachment): void;
  detachDeviceProgram(cgroup: number, program: number): void;
  /** Ids of the programs attached to this very cgroup. */
  devicePrograms(cgroup: number): number[];
  /** A descriptor of the program with this id; `undefined` when it is gone. */
  openProgram(id: number): number | undefined;
}

export type NetlinkProtocol = 'route' | 'netfilter';

/** One request at a time: sends, reads until the acknowledgement or NLMSG_DONE. Throws on a negative acknowledgement. */
export interface NetlinkSocket extends Disposable {
  /** Messages as built by netlink.ts; returns the payloads of the answers (header included). */
  request(messages: Uint8Array): Uint8Array[];
}
