/** Mount options (runtime-spec 1.2, config.md "Linux mount options") as the numbers that mount(2) and mount_setattr(2) take. */
import type { AttributeChange, Recursive } from '../program/instructions.ts';

/** include/uapi/linux/mount.h */
export const MS_RDONLY = 1;
const MS_REMOUNT = 1 << 5;
export const MS_REC = 1 << 14;
const ATTR_ATIME = 0x70;
export const ATTR_RDONLY = 1;

/** On, off, MS_*, MOUNT_ATTR_*: of one mount; with an `r` before it, also of those below. */
const ATTRIBUTES: readonly (readonly [string, string, number, number])[] = [
  ['ro', 'rw', MS_RDONLY, ATTR_RDONLY],
  ['nosuid', 'suid', 1 << 1, 1 << 1],
  ['nodev', 'dev', 1 << 2, 1 << 2],
  ['noexec', 'exec', 1 << 3, 1 << 3],
  ['nodiratime', 'diratime', 1 << 11, 0x80],
  ['nosymfollow', 'symfollow', 1 << 8, 0x20_0000],
];

/** One of three: what is set last holds, and none of them is relatime (mount_setattr(2), MOUNT_ATTR__ATIME). */
const ATIME: readonly (readonly [string, string, number, number])[] = [
  ['relatime', 'norelatime', 1 << 21, 0],
  ['noatime', 'atime', 1 << 10, 0x10],
  ['strictatime', 'nostrictatime', 1 << 24, 0x20],
];
const MS_ATIME = ATIME.reduce((all, [, , flag]) => all | flag, 0);

/** On, off, MS_*: of the file system, so without effect on a bind mount. */
const FILE_SYSTEM: readonly (readonly [string, string | undefined, number])[] = [
  ['sync', 'async', 1 << 4],
  ['remount', undefined, MS_REMOUNT],
  ['mand', 'nomand', 1 << 6],
  ['dirsync', undefined, 1 << 7],
  ['silent', 'loud', 1 << 15],
  ['iversion', 'noiversion', 1 << 23],
  ['lazytime', 'nolazytime', 1 << 25],
];

export const PROPAGATION: Readonly<Record<string, number>> = {
  unbindable: 1 << 17,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
  runbindable: (1 << 17) | MS_REC,
  rprivate: (1 << 18) | MS_REC,
  rslave: (1 << 19) | MS_REC,
  rshared: (1 << 20) | MS_REC,
};

export interface MountOptions {
  /** MS_* for mount(2), without MS_BIND. */
  readonly flags: number;
  readonly bind?: Recursive;
  /** MOUNT_ATTR_* of this mount, and of it and all below. */
  readonly set: number;
  readonly clear: number;
  readonly setAll: number;
  readonly clearAll: number;
  /** MS_* in their order, with MS_REC where it goes for the mounts below too. */
  readonly propagation: readonly number[];
  readonly idMap?: Recursive;
  /** tmpfs: with what the image has at that place. */
  readonly copyUp: boolean;
  /** What only the file system understands. */
  readonly data: string;
}

type Draft = { -readonly [field in keyof MountOptions]: MountOptions[field] };
type Effect = (draft: Draft) => void;

/** What each option does; an option that is not here is the file system's. */
const EFFECTS: ReadonlyMap<string, Effect> = new Map([...effects()]);

/** In alphabetical order, for `features`. */
export const MOUNT_OPTIONS: readonly string[] = [...EFFECTS.keys()].toSorted();

function* effects(): Generator<[string, Effect]> {
  yield ['defaults', () => {}];
  yield ['bind', (draft) => void (draft.bind ??= 'one')];
  yield ['rbind', (draft) => void (draft.bind = 'rec')];
  yield ['tmpcopyup', (draft) => void (draft.copyUp = true)];
  yield ['idmap', (draft) => void (draft.idMap = 'one')];
  yield ['ridmap', (draft) => void (draft.idMap = 'rec')];
  for (const [on, off, flag] of FILE_SYSTEM) {
    yield [on, (draft) => void (draft.flags |= flag)];
    if (off !== undefined) yield [off, (draft) => void (draft.flags &= ~flag)];
  }
  for (const [name, flags] of Object.entries(PROPAGATION)) {
    yield [name, (draft) => void (draft.propagation = [...draft.propagation, flags])];
  }
  for (const [on, off, flag, attribute] of ATTRIBUTES) {
    yield [
      on,
      (draft) => {
        draft.flags |= flag;
        draft.set |= attribute;
        draft.clear &= ~attribute;
      },
    ];
    yield [
      off,
      (draft) => {
        draft.flags &= ~flag;
        draft.set &= ~attribute;
        draft.clear |= attribute;
      },
    ];
    yield [
      `r${on}`,
      (draft) => {
        draft.setAll |= attribute;
        draft.clearAll &= ~attribute;
      },
    ];
    yield [
      `r${off}`,
      (draft) => {
        draft.setAll &= ~attribute;
        draft.clearAll |= attribute;
      },
    ];
  }
  for (const [on, off, flag, attribute] of ATIME) {
    // The kernel wants the whole field cleared whenever any of it is set.
    const all = (draft: Draft, value: number): void => {
      draft.setAll = (draft.setAll & ~ATTR_ATIME) | value;
      draft.clearAll |= ATTR_ATIME;
    };
    yield [
      on,
      (draft) => {
        draft.flags = (draft.flags & ~MS_ATIME) | flag;
        draft.set = (draft.set & ~ATTR_ATIME) | attribute;
        draft.clear |= ATTR_ATIME;
      },
    ];
    yield [
      off,
      (draft) => {
        draft.flags &= ~flag;
        draft.set &= ~attribute;
        draft.clear |= ATTR_ATIME;
      },
    ];
    yield [`r${on}`, (draft) => all(draft, attribute)];
    yield [`r${off}`, (draft) => all(draft, 0)];
  }
}

export function parseMountOptions(options: readonly string[] = []): MountOptions {
  const draft: Draft = {
    flags: 0,
    set: 0,
    clear: 0,
    setAll: 0,
    clearAll: 0,
    propagation: [],
    copyUp: false,
    data: '',
  };
  const data: string[] = [];
  for (const option of options) {
    const effect = EFFECTS.get(option);
    if (effect === undefined) data.push(option);
    else effect(draft);
  }
  draft.data = data.join(',');
  return draft;
}

/** As the executor takes it; `propagation` is the first of them, since there is mostly none or one. */
export function attributeChange(options: MountOptions): AttributeChange {
  const { set, clear, setAll, clearAll, propagation } = options;
  return [String(set), String(clear), String(setAll), String(clearAll), String(propagation[0] ?? 0)];
}
