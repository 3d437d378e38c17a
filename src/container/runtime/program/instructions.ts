/**
 * The instructions that TypeScript compiles and `native/` executes: the whole contract between the two.
 *
 * A program is one flat list that several processes read in order, each executing its own part:
 *
 *     parent (the front of `sampan-oci`, or the engine's shim)      init (the container's first process)
 *     ─────────────────────────────────────────────────────────     ─────────────────────────────────────
 *     … join, id-map, tree, clone, cgroup, rlimit …
 *     enter ──────────────────────────────────────────────────────► root, mounts, devices …
 *     hook-state, hook (prestart, createRuntime)  ◄──────────────── leave
 *     enter ──────────────────────────────────────────────────────► hook (createContainer), pivot, user …
 *     (the creation is done) ◄───────────────────────────────────── created: tells, and waits for the start
 *                                                                    hook (startContainer), identity … exec
 *
 * `enter` gives the turn to init and waits for `leave`, `created` or (a program without `created`: exec into a running
 * container) the exec itself. Init skips what is not between an `enter` and the next `leave`; the parent skips what is.
 *
 * Numbers are decimal strings unless a comment says otherwise. Paths below "the root" are absolute and clean (no empty
 * part, `.` or `..`); the executor resolves them inside the root by descriptor.
 */
export interface Instructions {
  // --- parent, before clone ---
  /** The shim alone: how it lives. */
  shim: [mode: 'detached' | 'foreground'];
  /**
   * The shim alone: output as CRI log lines, from pipes or from the terminal that `console-to relay` brings; input from
   * whoever is attached, or none.
   */
  log: [path: string, output: 'pipes' | 'terminal', input: 'empty' | 'keep' | 'once'];
  'no-output': [];
  /** The shim alone: memory.events or memory.oom_control, read when the container has ended. */
  oom: [path: string];
  /** `sampan-shim exec` alone: the process has pipes, or the terminal that `console-to relay` brings. */
  output: [kind: 'pipes' | 'terminal'];
  /** Descriptors 3 … 2 + count of the caller go to the user's process, in their places. */
  'preserve-fds': [count: string];
  /** Where the pseudo-terminal's master goes: a unix socket of the caller's, or our own relay on the caller's terminal. */
  'console-to': ['socket', path: string] | ['relay'];
  /** Binds the socket on which `created` waits for the start: `start.sock` in this folder, mode 0600. */
  listen: [folder: string];
  /** Connects the unix stream socket that gets the seccomp listener's descriptor, before the host is out of sight. */
  'seccomp-listener': [path: string];
  /** A namespace to be in; `inode` is 0 or must match. Order is kept, but the user namespace's is the executor's. */
  join: [kind: NamespaceKind, path: string, inode: string];
  /** Enters those of the process' namespaces that differ from ours (setns on a pidfd; start time as proc(5) field 22). */
  'join-process': [pid: string, startTime: string];
  /** For the new user namespace; `helper` is newuidmap(1)/newgidmap(1)'s way, `file` writes /proc/<pid>/…_map. */
  'id-map': [which: 'uid' | 'gid', by: 'file' | 'helper', ...insideOutsideSize: string[]];
  /** "deny" to /proc/<pid>/setgroups, before a gid map by an ordinary user. */
  'deny-setgroups': [];
  /** For the new time namespace. */
  'time-offset': [clock: 'monotonic' | 'boottime', seconds: string, nanoseconds: string];
  /**
   * A detached copy of the mounts at a host path, kept in numbered `slot` for `attach`: for sources that init may not
   * reach (user namespace) and for id-mapped ones. Attributes are MOUNT_ATTR_* bits; propagation is MS_* or 0.
   */
  tree: [slot: string, source: string, recursive: Recursive, ...change: AttributeChange];
  /** Maps the ids of the tree in `slot` (MOUNT_ATTR_IDMAP): by these mappings, or by the user namespace at a path. */
  'tree-id-map':
    | [slot: string, recursive: Recursive, 'namespace', path: string]
    | [slot: string, recursive: Recursive, 'map', uidTriples: string, gidTriples: string];
  /**
   * Init in each of these cgroups, before anything of the container runs. Before the clone it is made inside or enters by
   * itself, after it the parent moves it, for which the kernel holds up the whole machine.
   */
  cgroup: [...procsFiles: string[]];
  /** Makes init in these new namespaces (the cgroup namespace is `unshare-cgroup`). None: only those joined. */
  clone: [...kinds: NamespaceKind[]];

  // --- parent, after clone ---
  /** Tells the brain init's pid and waits for it to go on: systemd makes a scope around a process that is there. */
  ask: [topic: string];
  /** prlimit(2) on init; RLIMIT_* number; `unlimited` is 18446744073709551615. */
  rlimit: [resource: string, soft: string, hard: string];
  enter: [];
  /** Parent, last: waits for the process' end, passes signals on, relays the terminal; the outcome is `exited`. */
  wait: [];

  // --- either side ---
  /** On init's process. `lenient`: EACCES is no error. */
  'oom-score-adj': [value: string, mode: 'strict' | 'lenient'];
  /**
   * What the next hooks of this process read: prefix + pid + suffix; no pid at all from a parent that has made no
   * process (poststart and poststop hooks: the prefix has it then). Where they are: as with runc the bundle for the
   * parent's; without a folder where the process is, which for init is the root, and after `cwd` the user's.
   */
  'hook-state': [prefix: string, suffix: string] | [prefix: string, suffix: string, folder: string];
  /** Milliseconds, 0 is no timeout; `argc` arguments follow, then the environment (empty: an empty one). */
  hook: [name: string, path: string, timeout: string, argc: string, ...argumentsAndEnvironment: string[]];

  // --- init: namespaces ---
  leave: [];
  'unshare-cgroup': [];
  /** Every mount of the host that we see: `private`, `slave`, … recursively with r (`rprivate`). */
  propagation: [kind: Propagation];
  hostname: [name: string];
  domainname: [name: string];
  /** Brings the loopback interface up. */
  loopback: [];
  keyring: [name: string];

  // --- init: the root, before pivot; all paths below the root ---
  /** Mounts a file system on a host folder and makes it the root. */
  root: [type: string, folder: string, data: string];
  /** Overlay with more layers than one page of options holds; topmost first. */
  'root-layers': [folder: string, upper: string, work: string, ...lower: string[]];
  /** An existing host folder becomes the root: bound on itself, with what is mounted below it. */
  'root-bind': [folder: string];
  /** MS_* flags. The destination is made when missing. proc and sysfs follow no link at all, others only inside the root. */
  mount: [type: string, source: string, path: string, flags: string, data: string];
  /** A tmpfs with a copy of what the image has at that place. */
  'mount-copy-up': [path: string, flags: string, data: string];
  /** Clone of the host path, attributes changed before it can be seen. A file's mount point is a file. */
  bind: [source: string, path: string, recursive: Recursive, ...change: AttributeChange];
  /** Puts the tree of `slot` there. */
  attach: [slot: string, path: string];
  /** mount_setattr(2) on what is mounted there. */
  'mount-attributes': [path: string, recursive: Recursive, ...change: AttributeChange];
  /** octal mode; on EPERM the host's own device of that path is bound, if it is the same one. */
  device: [
    path: string,
    type: 'c' | 'b' | 'p',
    mode: string,
    major: string,
    minor: string,
    uid: string,
    gid: string,
  ];
  symlink: [target: string, path: string];
  /** A folder becomes an empty read-only tmpfs, a file the verified null device. Missing: nothing to do. */
  mask: [path: string, data: string];
  readonly: [path: string];
  /** Path below /proc/sys, with slashes; through the container's own, verified procfs. */
  sysctl: [path: string, value: string];
  /** Opens a pseudo-terminal in the container's devpts, verified; `bind` also shows it at /dev/console. */
  console: [height: string, width: string, bind: 'bind' | ''];
  pivot: [];
  /** `--no-pivot`: MS_MOVE and chroot, for a root on a ramdisk. */
  'move-root': [];
  /** No mount namespace of its own. */
  chroot: [folder: string];
  /** Of `/`, after pivot. */
  'root-propagation': [kind: Propagation];
  /** Of `/` alone. */
  'remount-readonly': [path: string];

  // --- init: the user's process ---
  environment: [...entries: string[]];
  arguments: [...words: string[]];
  /** Made when missing, or has to be there; must be inside the root (CVE-2024-21626). */
  cwd: [path: string] | [path: string, mode: 'there'];
  /** `user[:group]`, names from the image's files; then more gids. */
  user: [user: string, ...gids: string[]];
  /** Numbers alone. `keep-groups`: setgroups is denied in this user namespace. */
  ids: [uid: string, gid: string, groups: 'set-groups' | 'keep-groups', ...gids: string[]];
  /** HOME from the image's passwd file. */
  home: [];
  'find-program': [];
  /** A session of its own, with the console (if there is one) as its terminal. */
  session: [];
  personality: [value: string];
  /** SCHED_* number; sched_setattr(2): flags, nice, priority, runtime, deadline, period. */
  scheduler: [
    policy: string,
    flags: string,
    nice: string,
    priority: string,
    runtime: string,
    deadline: string,
    period: string,
  ];
  /** ioprio_set(2)'s value, class included. */
  'io-priority': [value: string];
  /** CPU list (`0-3,7`); sched_setaffinity(2). In the parent: of itself and so of its children. */
  'cpu-affinity': [list: string];
  'apparmor-profile': [name: string];
  'selinux-label': [label: string];
  /** octal */
  umask: [mask: string];
  /** Hex masks. Before the user changes. */
  bounding: [mask: string];
  'no-new-privileges': [];
  identity: [];
  /** Hex masks, after the user changed. */
  capabilities: [effective: string, permitted: string, inheritable: string, ambient: string];
  /** seccomp(2)'s flags; the filter in hex. With NEW_LISTENER: prefix + pid + suffix goes with the descriptor. */
  seccomp:
    | [flags: string, filter: string]
    | [flags: string, filter: string, statePrefix: string, stateSuffix: string];
  /** Told to the parent; then waits on `listen`'s socket, or without one on the parent's word. */
  created: [];
  /** A sandbox's PID 1: keeps the namespaces, reaps, until SIGTERM. */
  hold: [];
  /** PID 1 stays and reaps; a child goes on with the rest. */
  supervise: [];
  /** The program itself is PID 1. */
  become: [];
  /** With a terminal on stdin: the process' own group gets its keys. */
  foreground: [];
  exec: [];
}

export type NamespaceKind = 'pid' | 'net' | 'mnt' | 'ipc' | 'uts' | 'user' | 'cgroup' | 'time';
export type Recursive = 'rec' | 'one';
/** MOUNT_ATTR_* bits for the top mount, the same for it and all below, and the propagation (MS_* or 0). */
export type AttributeChange = [
  set: string,
  clear: string,
  setAll: string,
  clearAll: string,
  propagation: string,
];
export type Propagation =
  | 'private'
  | 'slave'
  | 'shared'
  | 'unbindable'
  | 'rprivate'
  | 'rslave'
  | 'rshared'
  | 'runbindable';

export type Opcode = keyof Instructions;

/** One step of the parent or of init; what each does stands beside its function in native/. */
export interface Instruction {
  readonly opcode: Opcode;
  readonly args: readonly string[];
}

export function step<K extends Opcode>(opcode: K, ...args: Instructions[K]): Instruction {
  return { opcode, args };
}
