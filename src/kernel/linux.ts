/** The real kernel. */
import { constants } from 'node:os';
import { PlatformError } from '../base/errors.ts';
import { failpoint } from '../base/failpoint.ts';
import {
  attachDeviceProgram,
  detachDeviceProgram,
  devicePrograms,
  loadDeviceProgram,
  openProgram,
} from './bpf.ts';
import type { Kernel, NetlinkProtocol, NetlinkSocket } from './kernel.ts';
import { acknowledgementError, NLMSG_DONE, NLMSG_ERROR, splitMessages } from './netlink.ts';
import { syscall, syscallError, trySyscall } from './syscall.ts';

const { EADDRINUSE, EAGAIN, EALREADY, ECONNREFUSED, EINPROGRESS, EISCONN, EINVAL, EINTR, ENOENT } =
  constants.errno;
const AT_FDCWD = -100;
const O_CLOEXEC = 0o2000000;
const LOCK_EX = 2;
const LOCK_NB = 4;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;
const POLLIN = 1;
const CLONE_NEWNET = 0x4000_0000;
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const PROTOCOLS: Readonly<Record<NetlinkProtocol, number>> = { route: 0, netfilter: 12 };

export function linuxKernel(): Kernel {
  return {
    pidfdOpen(pid) {
      failpoint('kernel.pidfd.open');
      return syscall('pidfd_open', pid, 0);
    },
    pidfdSendSignal(pidfd, signal) {
      failpoint('kernel.pidfd.signal');
      syscall('pidfd_send_signal', pidfd, signal, 0, 0);
    },
    pidfdAlive(pidfd) {
      const poll = Buffer.alloc(8);
      poll.writeInt32LE(pidfd);
      poll.writeInt16LE(POLLIN, 4);
      return syscall('ppoll', poll, 1, Buffer.alloc(16), 0, 0) === 0;
    },
    close(fd) {
      syscall('close', fd);
    },
    tryLock(fd) {
      failpoint('kernel.lock');
      const result = trySyscall('flock', fd, LOCK_EX | LOCK_NB);
      if (result === -EAGAIN) return false;
      if (result < 0) throw syscallError('flock', -result);
      return true;
    },
    claimName(name) {
      failpoint('kernel.claim');
      const fd = syscall('socket', AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      // struct sockaddr_un: the family, and a path that begins with a zero byte.
      const address = Buffer.from(`\0\0\0${name}`);
      address.writeUInt16LE(AF_UNIX);
      const result = trySyscall('bind', fd, address, address.length);
      if (result === 0) return fd;
      syscall('close', fd);
      if (result === -EADDRINUSE) return undefined;
      throw syscallError('bind', -result, { detail: name });
    },
    netlink(protocol, netns) {
      failpoint('kernel.netlink.open');
      return new LinuxNetlinkSocket(
        netns === undefined ? openNetlink(protocol) : inNetwork(netns, () => openNetlink(protocol)),
      );
    },
    connectLoopback(family, port, netns) {
      failpoint('kernel.connect');
      const open = (): number =>
        syscall(
          'socket',
          family === 'ipv4' ? AF_INET : AF_INET6,
          SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
          0,
        );
      const fd = netns === undefined ? open() : inNetwork(netns, open);
      const address = loopbackAddress(family, port);
      let failed = trySyscall('connect', fd, address, address.length);
      // The answer over loopback is there by now; only a full backlog keeps it waiting, and then whoever uses it waits.
      if (failed === -EINPROGRESS) failed = trySyscall('connect', fd, address, address.length);
      if (failed === 0 || failed === -EISCONN || failed === -EALREADY) return fd;
      syscall('close', fd);
      if (failed === -ECONNREFUSED) throw new PlatformError('unavailable', 'connection refused');
      throw syscallError('connect', -failed);
    },
    unmountDetached(path) {
      failpoint('kernel.unmount');
      const result = trySyscall('umount2', cString(path), MNT_DETACH | UMOUNT_NOFOLLOW);
      if (result === -EINVAL || result === -ENOENT) return false;
      if (result < 0) throw syscallError('umount2', -result, { detail: path });
      return true;
    },
    statfs(path) {
      // struct statfs of 64-bit machines: type, bsize, blocks, bfree, bavail, files, ffree, …
      const result = new BigInt64Array(15);
      const failed = trySyscall('statfs', cString(path), new Uint8Array(result.buffer));
      if (failed < 0) throw syscallError('statfs', -failed, { detail: path });
      const field = (index: number): number => Number(result[index]);
      return { type: field(0), freeBytes: field(1) * field(4), freeInodes: field(6) };
    },
    loadDeviceProgram,
    attachDeviceProgram,
    detachDeviceProgram,
    devicePrograms,
    openProgram,
  };
}

/** struct sockaddr_in, sockaddr_in6. */
function loopbackAddress(family: 'ipv4' | 'ipv6', port: number): Buffer {
  const address = Buffer.alloc(family === 'ipv4' ? 16 : 28);
  address.writeUInt16LE(family === 'ipv4' ? AF_INET : AF_INET6);
  address.writeUInt16BE(port, 2);
  if (family === 'ipv4') address.writeUInt32BE(0x7f00_0001, 4);
  else address[23] = 1;
  return address;
}

function cString(text: string): Uint8Array {
  if (text.includes('\0'))
    throw new PlatformError('invalid', `path ${JSON.stringify(text)} holds a NUL byte`);
  return Buffer.from(`${text}\0`);
}

function openNetlink(protocol: NetlinkProtocol): number {
  const fd = syscall('socket', AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, PROTOCOLS[protocol]);
  const one = Buffer.from([1, 0, 0, 0]);
  for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK])
    syscall('setsockopt', fd, SOL_NETLINK, option, one, 4);
  return fd;
}

/**
 * A socket stays in the namespace in which it was made, so the thread is away only for the time of one socket(2).
 * A thread that cannot come home must not go on: everything after would happen to the wrong machine.
 */
function inNetwork(netns: string, open: () => number): number {
  const home = openFile('/proc/thread-self/ns/net');
  try {
    const target = openFile(netns);
    try {
      const failed = trySyscall('setns', target, CLONE_NEWNET);
      if (failed < 0) throw syscallError('setns', -failed, { detail: netns });
    } finally {
      syscall('close', target);
    }
    try {
      return open();
    } finally {
      if (trySyscall('setns', home, CLONE_NEWNET) < 0) process.abort();
    }
  } finally {
    syscall('close', home);
  }
}

function openFile(path: string): number {
  const fd = trySyscall('openat', AT_FDCWD, cString(path), O_CLOEXEC);
  if (fd < 0) throw syscallError('open', -fd, { detail: path });
  return fd;
}

/** How much one receive can take: the kernel fills dumps up to 32 KiB when asked with that much room. */
const RECEIVE_BYTES = 65_536;
/** sk_buff overhead that counts towards the send buffer beside the message. */
const SEND_OVERHEAD = 8192;

/**
 * The kernel works a request off within sendto(2), and each next part of a dump within the recvfrom(2) that took
 * the one before: all answers are there already, and nothing here ever waits.
 */
class LinuxNetlinkSocket implements NetlinkSocket {
  #fd: number;
  #sendBuffer = 0;
  readonly #receiveBuffer = Buffer.allocUnsafeSlow(RECEIVE_BYTES);

  constructor(fd: number) {
    this.#fd = fd;
  }

  request(messages: Uint8Array): Uint8Array[] {
    if (this.#fd < 0) throw new PlatformError('internal', 'netlink: socket is closed');
    failpoint('kernel.netlink.request');
    this.#growSendBuffer(messages.length);
    this.#drain();
    syscall('sendto', this.#fd, messages, messages.length, 0, 0, 0);
    const answers: Uint8Array[] = [];
    let failure: PlatformError | undefined;
    for (;;) {
      const datagram = this.#receive();
      if (datagram === undefined) break;
      for (const message of splitMessages(datagram)) {
        if (message.type === NLMSG_ERROR) failure ??= acknowledgementError(message);
        else if (message.type !== NLMSG_DONE) answers.push(Buffer.from(message.bytes));
      }
    }
    if (failure !== undefined) throw failure;
    return answers;
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) syscall('close', this.#fd);
    this.#fd = -1;
  }

  /** A transaction is one message to the kernel and must fit whole; the FORCE variant may exceed wmem_max. */
  #growSendBuffer(bytes: number): void {
    const wanted = bytes + SEND_OVERHEAD;
    if (wanted <= Math.max(this.#sendBuffer, 100_000)) return;
    const value = Buffer.alloc(4);
    value.writeInt32LE(wanted);
    syscall('setsockopt', this.#fd, SOL_SOCKET, SO_SNDBUFFORCE, value, 4);
    // A failing transaction answers with an error for each of its messages.
    syscall('setsockopt', this.#fd, SOL_SOCKET, SO_RCVBUFFORCE, value, 4);
    this.#sendBuffer = wanted;
  }

  /** Leftovers of a request that was given up half-way (an overrun) belong to nobody. */
  #drain(): void {
    while (this.#receive() !== undefined);
  }

  /** Valid until the next receive; `undefined` when nothing is left. */
  #receive(): Buffer | undefined {
    const buffer = this.#receiveBuffer;
    for (;;) {
      const length = trySyscall('recvfrom', this.#fd, buffer, buffer.length, MSG_DONTWAIT | MSG_TRUNC, 0, 0);
      if (length === -EAGAIN) return undefined;
      if (length === -EINTR) continue;
      if (length < 0) throw syscallError('recvfrom', -length, { detail: 'netlink' });
      if (length > buffer.length) throw new PlatformError('internal', `netlink: datagram of ${length} bytes`);
      return buffer.subarray(0, length);
    }
  }
}
