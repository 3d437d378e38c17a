/** What a node needs of this machine, looked at before anything is changed. */
import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { errorMessage, PlatformError } from '../base/errors.ts';
import { cgroupHost } from './cgroup.ts';
import type { Kernel } from './kernel.ts';
import { linuxKernel } from './linux.ts';
import { encodeTransaction } from './nftables.ts';

/** One line for a person: what is wrong, and what to do. */
export interface Problem {
  readonly what: string;
  readonly hint: string;
}

/** The facts that are judged; tests give their own. */
export interface MachineFacts {
  /** As `uname -r`. */
  readonly release: string;
  /** Text of /proc/self/status. */
  readonly status: string;
  /** Text of /proc/filesystems. */
  readonly filesystems: string;
  /** True when a kernel module of that name can be loaded on demand. */
  readonly loadable: (module: string) => boolean;
  /** Names under /proc/self/ns. */
  readonly hasNamespace: (name: string) => boolean;
  /** Throws when there is no usable cgroup tree. */
  readonly checkCgroups: () => void;
  readonly kernel: Kernel;
}

/** mount_setattr (5.12), pidfd_open (5.3), and what else is relied on without a fallback. */
const MINIMUM = [5, 12] as const;
const CAP_NET_ADMIN = 12;
const CAP_SYS_ADMIN = 21;
const NAMESPACES = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'uts'];

/** Everything that keeps a node from working here; empty when nothing does. Changes nothing. */
export function preflight(facts: MachineFacts = machineFacts()): Problem[] {
  const problems: Problem[] = [];
  const [major = 0, minor = 0] = facts.release.split('.').map((part) => Number.parseInt(part, 10));
  if (major < MINIMUM[0] || (major === MINIMUM[0] && minor < MINIMUM[1])) {
    problems.push({
      what: `Linux ${facts.release} is too old: ${MINIMUM.join('.')} is needed`,
      hint: 'boot a newer kernel',
    });
  }
  const missing = missingCapabilities(facts.status);
  if (missing.length > 0) {
    problems.push({
      what: `not allowed to manage containers: ${missing.join(' and ')} missing`,
      hint: 'run as root (sudo), or with --no-node for the control plane alone; in a container: --privileged',
    });
  }
  if (!/^(nodev)?\toverlay$/m.test(facts.filesystems) && !facts.loadable('overlay')) {
    problems.push({
      what: 'this kernel has no overlay file system',
      hint: 'run `modprobe overlay`, or use a kernel with it',
    });
  }
  const namespaces = NAMESPACES.filter((name) => !facts.hasNamespace(name));
  if (namespaces.length > 0) {
    problems.push({
      what: `this kernel has no ${namespaces.join(', ')} namespaces`,
      hint: 'use a kernel with CONFIG_NAMESPACES and all its kinds',
    });
  }
  try {
    facts.checkCgroups();
  } catch (error) {
    const hint = error instanceof PlatformError ? error.hint : undefined;
    problems.push({ what: errorMessage(error), hint: hint ?? 'mount the cgroup file system' });
  }
  // Without the capabilities the answer would be about them again.
  if (missing.length === 0) problems.push(...packetFilterProblems(facts.kernel));
  return problems;
}

function missingCapabilities(status: string): string[] {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const has = (bit: number): boolean => ((effective >> BigInt(bit)) & 1n) === 1n;
  return [has(CAP_SYS_ADMIN) ? [] : 'CAP_SYS_ADMIN', has(CAP_NET_ADMIN) ? [] : 'CAP_NET_ADMIN'].flat();
}

/** An empty transaction reaches nf_tables and changes nothing. */
function packetFilterProblems(kernel: Kernel): Problem[] {
  try {
    using socket = kernel.netlink('netfilter');
    socket.request(encodeTransaction('', []).messages);
    return [];
  } catch (error) {
    return [
      {
        what: `nftables does not answer: ${errorMessage(error)}`,
        hint: isSeamMissing(error)
          ? (error.hint ?? 'build the native programs')
          : 'run `modprobe nf_tables`, or use a kernel with it',
      },
    ];
  }
}

function isSeamMissing(error: unknown): error is PlatformError {
  return (
    error instanceof PlatformError && error.details['errno'] === undefined && error.code === 'unsupported'
  );
}

function machineFacts(): MachineFacts {
  return {
    release: release(),
    status: readFileSync('/proc/self/status', 'utf8'),
    filesystems: readFileSync('/proc/filesystems', 'utf8'),
    loadable: (module) => isLoadable(module),
    hasNamespace: (name) => existsSync(`/proc/self/ns/${name}`),
    checkCgroups: () => void cgroupHost(),
    kernel: linuxKernel(),
  };
}

function isLoadable(module: string): boolean {
  try {
    return readFileSync(`/lib/modules/${release()}/modules.dep`, 'utf8').includes(`/${module}.ko`);
  } catch {
    return false;
  }
}
