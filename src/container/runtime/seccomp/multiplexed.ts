/**
 * Calls that 32-bit x86 also has, or only has, through `socketcall` and `ipc`, whose first argument says which
 * (include/uapi/linux/net.h and ipc.h). As with libseccomp a rule for one of them applies to both ways. Through a
 * multiplexer its condition on the first argument gives way to the call's number; the others stay as they are, although
 * the arguments behind `socketcall` are a pointer that no filter can follow.
 */
import type { Alternative } from './rules.ts';
import { syscallIndex, syscallNumber } from './syscall-numbers.ts';

/** Multiplexers with their calls in the order of the numbers there; `-` where a number is not one of these. */
const MULTIPLEXERS = [
  {
    name: 'socketcall',
    calls: `- socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown
    setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg`,
  },
  {
    name: 'ipc',
    calls: `- semop semget semctl semtimedop - - - - - - msgsnd msgrcv msgget msgctl - - - - - - shmat shmdt shmget
    shmctl`,
  },
] as const;

interface Multiplexed {
  /** The multiplexer's place in the tables of numbers, and its number. */
  readonly multiplexer: number;
  readonly number: number;
  /** What its first argument is for this call. */
  readonly call: number;
}

let decoded: ReadonlyMap<number, Multiplexed> | undefined;

/** The multiplexed calls by their places in the tables of numbers. */
export function multiplexedCalls(): ReadonlyMap<number, Multiplexed> {
  if (decoded === undefined) {
    const map = new Map<number, Multiplexed>();
    for (const { name, calls } of MULTIPLEXERS) {
      const multiplexer = syscallIndex(name)!;
      const number = syscallNumber('x86', name)!;
      for (const [call, callName] of calls.split(/\s+/).entries()) {
        if (callName !== '-') map.set(syscallIndex(callName)!, { multiplexer, number, call });
      }
    }
    decoded = map;
  }
  return decoded;
}

/** A rule as it applies to the multiplexer. */
export function throughMultiplexer(rule: Alternative, { call }: Multiplexed): Alternative {
  const which = { index: 0, op: 'SCMP_CMP_EQ', value: BigInt(call), valueTwo: 0n } as const;
  return {
    ...rule,
    id: `${rule.id}/${call}`,
    conditions: [which, ...rule.conditions.filter(({ index }) => index !== 0)],
  };
}
