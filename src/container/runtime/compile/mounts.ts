/** `mounts` of the configuration: what the parent prepares, what init mounts in order, and what it makes read-only last. */
import { resolve } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import type { MountConfig, RuntimeConfig } from '../../spec/runtime-config.ts';
import { type Instruction, type Recursive, step } from '../program/instructions.ts';
import { cgroupMount, type CgroupMountContext } from './cgroup-mounts.ts';
import type { CreateContext } from './context.ts';
import {
  ATTR_RDONLY,
  attributeChange,
  type MountOptions,
  MS_RDONLY,
  MS_REC,
  parseMountOptions,
} from './mount-options.ts';
import { type Namespaces, namespacesOf, triples } from './namespaces.ts';
import { clean } from './steps.ts';

export interface MountSteps {
  /** The parent's, before the clone. */
  readonly before: Instruction[];
  readonly inside: Instruction[];
  /** After hooks, and after all that is made in these mounts. */
  readonly late: Instruction[];
}

export function isBind({ type, options }: MountConfig): boolean {
  return type === 'bind' || options?.includes('bind') === true || options?.includes('rbind') === true;
}

export function mountSteps(config: RuntimeConfig, context: CreateContext): MountSteps {
  const compiler = new MountCompiler(config, context);
  for (const [index, mount] of (config.mounts ?? []).entries()) compiler.add(mount, `mounts[${index}]`);
  return compiler;
}

class MountCompiler implements MountSteps {
  readonly before: Instruction[] = [];
  readonly inside: Instruction[] = [];
  readonly late: Instruction[] = [];
  readonly #config: RuntimeConfig;
  readonly #context: CreateContext;
  readonly #namespaces: Namespaces;
  /** Init of another user namespace may not reach the sources that a privileged parent can. */
  readonly #byTree: boolean;
  #slots = 0;

  constructor(config: RuntimeConfig, context: CreateContext) {
    this.#config = config;
    this.#context = context;
    this.#namespaces = namespacesOf(config);
    this.#byTree = this.#namespaces.isOther('user') && !context.rootless;
  }

  add(mount: MountConfig, at: string): void {
    const options = parseMountOptions(mount.options);
    const path = clean(mount.destination);
    if (isBind(mount)) this.#bind(mount, options, at);
    else if (mount.type === 'cgroup') this.inside.push(...cgroupMount(path, options, this.#cgroups()));
    else this.#mount(mount, options);
  }

  #bind(mount: MountConfig, options: MountOptions, at: string): void {
    const source = resolve(this.#context.bundle, mount.source ?? '');
    const path = clean(mount.destination);
    const recursive = options.bind ?? 'one';
    const isMapped = options.idMap !== undefined || mount.uidMappings !== undefined;
    if (this.#byTree || isMapped) {
      const slot = this.#tree(source, recursive, options);
      if (isMapped) this.before.push(this.#idMap(slot, mount, options.idMap ?? 'one', at));
      this.inside.push(step('attach', slot, path));
    } else {
      this.inside.push(step('bind', source, path, recursive, ...attributeChange(options)));
    }
    this.inside.push(...propagate(path, options.propagation.slice(1)));
  }

  #tree(source: string, recursive: Recursive, options: MountOptions): string {
    const slot = String(this.#slots++);
    this.before.push(step('tree', slot, source, recursive, ...attributeChange(options)));
    return slot;
  }

  #idMap(slot: string, mount: MountConfig, recursive: Recursive, at: string): Instruction {
    const { linux } = this.#config;
    const path = this.#namespaces.pathOf('user');
    if (mount.uidMappings === undefined && path !== undefined) {
      return step('tree-id-map', slot, recursive, 'namespace', path);
    }
    const uids = mount.uidMappings ?? linux?.uidMappings;
    const gids = mount.gidMappings ?? linux?.gidMappings;
    if (uids === undefined || gids === undefined) {
      throw new PlatformError(
        'invalid',
        `${at}: an id-mapped mount wants uidMappings and gidMappings, or a user namespace`,
      );
    }
    return step('tree-id-map', slot, recursive, 'map', triples(uids).join(' '), triples(gids).join(' '));
  }

  #mount({ type = '', source = '', destination }: MountConfig, options: MountOptions): void {
    const path = clean(destination);
    // Devices and mount points are still to be made in these.
    const isLate = type === 'tmpfs' || path === '/dev';
    const flags = String(isLate ? options.flags & ~MS_RDONLY : options.flags);
    const isCopy = type === 'tmpfs' && options.copyUp;
    this.inside.push(
      isCopy
        ? step('mount-copy-up', path, flags, options.data)
        : step('mount', type, source || type, path, flags, options.data),
      ...(options.setAll === 0 && options.clearAll === 0
        ? []
        : [
            step(
              'mount-attributes',
              path,
              'rec',
              '0',
              '0',
              String(options.setAll),
              String(options.clearAll),
              '0',
            ),
          ]),
      ...propagate(path, options.propagation),
    );
    if (isLate && (options.flags & MS_RDONLY) !== 0) {
      this.late.push(step('mount-attributes', path, 'one', String(ATTR_RDONLY), '0', '0', '0', '0'));
    }
  }

  #cgroups(): CgroupMountContext {
    return {
      hierarchies: this.#context.hierarchies,
      hasNamespace: this.#namespaces.isOther('cgroup'),
      mayMount: this.#namespaces.isNew('cgroup') || !this.#namespaces.isOther('user'),
      bind: (source, path, recursive, options) => {
        if (!this.#byTree) return step('bind', source, path, recursive, ...attributeChange(options));
        return step('attach', this.#tree(source, recursive, options), path);
      },
    };
  }
}

/** Each takes a call of its own: one mount may be made a slave first and shared then. */
function propagate(path: string, propagation: readonly number[]): Instruction[] {
  return propagation.map((flags) =>
    step('mount-attributes', path, (flags & MS_REC) === 0 ? 'one' : 'rec', '0', '0', '0', '0', String(flags)),
  );
}
