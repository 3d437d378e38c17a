/** A kernel for unit tests: does nothing, writes down what would be done, answers as scripted. */
import { PlatformError } from '../base/errors.ts';
import type { Kernel, NetlinkProtocol } from './kernel.ts';
import { codeOfErrno } from './syscall.ts';

/** What answers a netlink request; throwing fails it. */
export type NetlinkScript = (request: {
  readonly protocol: NetlinkProtocol;
  readonly netns: string | undefined;
  readonly messages: Uint8Array;
}) => Uint8Array[];

export interface RecordingKernel extends Kernel {
  /** One line a call: `pidfdSendSignal 100 15`. */
  readonly calls: readonly string[];
  /** Netlink requests, copied. */
  readonly requests: readonly {
    protocol: NetlinkProtocol;
    netns: string | undefined;
    messages: Uint8Array;
  }[];
  /** Processes that exist; pidfdOpen of any other is `not-found`. */
  readonly alive: Set<number>;
  readonly locked: Set<number>;
  readonly mounted: Set<string>;
  /** Device programs by their descriptor, which is their id too. */
  readonly programs: Map<number, Uint8Array>;
  /** What is attached to the cgroup folder behind a descriptor. */
  readonly attached: number[];
  /** Makes the next call of a method fail as the kernel would: `fail('pidfdOpen', 'EMFILE')`. */
  fail(method: keyof Kernel | 'request', errno: string): void;
  answer(script: NetlinkScript): void;
}

export function recordingKernel(): RecordingKernel {
  const calls: string[] = [];
  const requests: { protocol: NetlinkProtocol; netns: string | undefined; messages: Uint8Array }[] = [];
  const failures = new Map<string, string>();
  const alive = new Set<number>();
  const locked = new Set<number>();
  const mounted = new Set<string>();
  const pidOf = new Map<number, number>();
  const programs = new Map<number, Uint8Array>();
  const attached: number[] = [];
  let script: NetlinkScript = () => [];
  let nextFd = 100;

  const record = (method: string, ...args: readonly (string | number)[]): void => {
    calls.push([method, ...args].join(' '));
    const errno = failures.get(method);
    if (errno === undefined) return;
    failures.delete(method);
    throw new PlatformError(codeOfErrno(errno), `${method}: ${errno}`, {
      details: { errno, syscall: method },
    });
  };
  const gone = (syscall: string): PlatformError =>
    new PlatformError('not-found', `${syscall}: ESRCH`, { details: { errno: 'ESRCH', syscall } });

  return {
    calls,
    requests,
    alive,
    locked,
    mounted,
    programs,
    attached,
    fail: (method, errno) => void failures.set(method, errno),
    answer: (next) => {
      script = next;
    },
    pidfdOpen(pid) {
      record('pidfdOpen', pid);
      if (!alive.has(pid)) throw gone('pidfd_open');
      pidOf.set(nextFd, pid);
      return nextFd++;
    },
    pidfdSendSignal(pidfd, signal) {
      record('pidfdSendSignal', pidfd, signal);
      const pid = pidOf.get(pidfd);
      if (pid === undefined || !alive.has(pid)) throw gone('pidfd_send_signal');
    },
    pidfdAlive(pidfd) {
      record('pidfdAlive', pidfd);
      return alive.has(pidOf.get(pidfd) ?? -1);
    },
    close: (fd) => record('close', fd),
    claimName(name) {
      record('claimName', name);
      return nextFd++;
    },
    tryLock(fd) {
      record('tryLock', fd);
      if (locked.has(fd)) return false;
      locked.add(fd);
      return true;
    },
    netlink(protocol, netns) {
      record('netlink', protocol, ...(netns === undefined ? [] : [netns]));
      return {
        request(messages) {
          record('request', protocol, messages.length);
          requests.push({ protocol, netns, messages: messages.slice() });
          return script({ protocol, netns, messages });
        },
        [Symbol.dispose]: () => {},
      };
    },
    connectLoopback(family, port, netns) {
      record('connectLoopback', family, port, ...(netns === undefined ? [] : [netns]));
      return nextFd++;
    },
    unmountDetached(path) {
      record('unmountDetached', path);
      return mounted.delete(path);
    },
    statfs(path) {
      record('statfs', path);
      return { freeBytes: 10 * 2 ** 30, freeInodes: 1_000_000, type: 0xef53 };
    },
    loadDeviceProgram(instructions) {
      record('loadDeviceProgram', instructions.length / 8);
      programs.set(nextFd, instructions.slice());
      return nextFd++;
    },
    attachDeviceProgram({ program, replace }) {
      record('attachDeviceProgram', program, ...(replace === undefined ? [] : [replace]));
      if (replace !== undefined) attached.splice(attached.indexOf(replace), 1);
      attached.push(program);
    },
    detachDeviceProgram(_cgroup, program) {
      record('detachDeviceProgram', program);
      attached.splice(attached.indexOf(program), 1);
    },
    devicePrograms: () => [...attached],
    openProgram: (id) => (attached.includes(id) ? id : undefined),
  };
}
