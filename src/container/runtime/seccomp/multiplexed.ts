/**
 * Calls that 32-bit x86 also has, or only has, through `socketcall` and `ipc`, whose first argument says which
 * (include/uapi/linux/net.h and ipc.h). As with libseccomp a rule for one of them applies to both ways. Through a
 * multiplexer its condition on the first argument gives way to the call's number; the others stay as they are, although
 * the arguments behind `socketcall` are a pointer that no filter can follow.
 */
import type { Alternative } from './rules.ts';

const SOCKETCALL = 102;
const IPC = 117;

const calls: Readonly<Record<string, readonly [multiplexer: number, call: number]>> = {
  socket: [SOCKETCALL, 1],
  bind: [SOCKETCALL, 2],
  connect: [SOCKETCALL, 3],
  listen: [SOCKETCALL, 4],
  accept: [SOCKETCALL, 5],
  getsockname: [SOCKETCALL, 6],
  getpeername: [SOCKETCALL, 7],
  socketpair: [SOCKETCALL, 8],
  send: [SOCKETCALL, 9],
  recv: [SOCKETCALL, 10],
  sendto: [SOCKETCALL, 11],
  recvfrom: [SOCKETCALL, 12],
  shutdown: [SOCKETCALL, 13],
  setsockopt: [SOCKETCALL, 14],
  getsockopt: [SOCKETCALL, 15],
  sendmsg: [SOCKETCALL, 16],
  recvmsg: [SOCKETCALL, 17],
  accept4: [SOCKETCALL, 18],
  recvmmsg: [SOCKETCALL, 19],
  sendmmsg: [SOCKETCALL, 20],
  semop: [IPC, 1],
  semget: [IPC, 2],
  semctl: [IPC, 3],
  semtimedop: [IPC, 4],
  msgsnd: [IPC, 11],
  msgrcv: [IPC, 12],
  msgget: [IPC, 13],
  msgctl: [IPC, 14],
  shmat: [IPC, 21],
  shmdt: [IPC, 22],
  shmget: [IPC, 23],
  shmctl: [IPC, 24],
};

const byName = new Map(Object.entries(calls));

/** The number of the multiplexer of `name`, and a rule as it applies there; undefined for any other call. */
export function multiplexedCall(
  name: string,
): { readonly number: number; through(rule: Alternative): Alternative } | undefined {
  const known = byName.get(name);
  if (known === undefined) return undefined;
  const [number, call] = known;
  const which = { index: 0, op: 'SCMP_CMP_EQ', value: BigInt(call), valueTwo: 0n } as const;
  return {
    number,
    through: ({ id, answer, conditions }) => ({
      id: `${id}/${call}`,
      answer,
      conditions: [which, ...conditions.filter(({ index }) => index !== 0)],
    }),
  };
}
