/** `create`: from a bundle to a container whose init waits for its start. Whatever fails undoes all that came before. */
import { errorMessage, PlatformError } from '../../../base/errors.ts';
import { failpoint } from '../../../base/failpoint.ts';
import type { IdMapping, RuntimeConfig } from '../../spec/runtime-config.ts';
import type { CgroupPlace, ContainerCgroup } from '../cgroup/contract.ts';
import { compileCreate } from '../compile/create.ts';
import type { CreateContext } from '../compile/context.ts';
import type { ProcessIdentity } from '../owner.ts';
import { readBundle, seccompOf } from './bundle.ts';
import { consoleTarget } from './console.ts';
import { withListenVariables } from './listen-variables.ts';
import { checkContainerId } from './container-id.ts';
import { type LockedContainer, STATE_VERSION, type StoredContainer } from './container-folder.ts';
import { callerEnvironment, OCI_VERSION, type OciContext } from './context.ts';
import { endProcesses } from './delete.ts';
import { detachMounts, mountsBefore } from './host-mounts.ts';
import { runHooks } from './parent-hooks.ts';
import { writePidFile } from './pid-file.ts';
import { timestamp } from './state.ts';

export interface CreateOptions {
  readonly id: string;
  /** As on the command line. */
  readonly bundle: string;
  readonly pidFile?: string | undefined;
  readonly consoleSocket?: string | undefined;
  readonly noPivot?: boolean;
  readonly noNewKeyring?: boolean;
  readonly preserveFds?: number;
  /** `run` in the foreground: the caller's own terminal is the container's. */
  readonly relayTerminal?: boolean;
  /** `run` and `create` without one: where the terminal's master goes must be said. */
  readonly detached: boolean;
}

export interface Created extends Disposable {
  readonly stored: StoredContainer & { readonly init: ProcessIdentity };
  readonly config: RuntimeConfig;
  /** Still held. */
  readonly lock: LockedContainer;
}

export async function createContainer(context: OciContext, options: CreateOptions): Promise<Created> {
  const { host, folders, front } = context;
  const { id } = options;
  checkContainerId(id);
  folders.checkFree(id);
  const bundle = readBundle(context, options.bundle);
  const config = withCallersDescriptors(context, bundle.config);
  const consoleTo = consoleTarget(context, config.process, {
    consoleSocket: options.consoleSocket,
    relayTerminal: options.relayTerminal ?? false,
    detached: options.detached,
  });
  const seccomp = seccompOf(config);
  const place = placeOf(context, id, config);
  const intent: StoredContainer = {
    version: STATE_VERSION,
    id,
    bundle: bundle.folder,
    rootfs: bundle.rootfs,
    ...(config.annotations === undefined ? {} : { annotations: config.annotations }),
    created: timestamp(host.now()),
    ...withMounts(mountsBefore(config, bundle.rootfs)),
    cgroup: place,
    rootless: context.rootless,
    ...(options.noNewKeyring === true ? { noNewKeyring: true } : {}),
  };

  await using undo = new AsyncDisposableStack();
  // Everything that can be wrong with the configuration is said before anything is made.
  const program = (cgroup: ContainerCgroup) =>
    compileCreate(config, {
      ...compileContext(context, intent, { cgroup, options, config }),
      ...(seccomp === undefined ? {} : { seccomp }),
      parent: {
        type: 'front',
        stateFolder: folders.path(id),
        ...(consoleTo === undefined ? {} : { consoleTo }),
        ...(options.preserveFds === undefined ? {} : { preserveFds: options.preserveFds }),
        askForCgroup: cgroup.wantsPid,
      },
    });
  const cgroup = host.openCgroup(place);
  const checked = program(cgroup);
  refuseBusyCgroup(cgroup);

  const lock = folders.create(intent, config);
  undo.use(lock);
  let made = intent;
  undo.defer(async () => {
    await tidy(context, `remove the folder of ${id}`, () => lock.remove());
    // What the creation has begun is over: the hooks for that are due.
    if (!front.lost.aborted) await runHooks(context, made, { name: 'poststop', config });
  });
  undo.defer(() =>
    tidy(context, `undo the cgroup of ${id}`, async () => {
      await endProcesses(host, made);
      detachMounts(host.kernel, made.rootfs, made.rootMounts);
      await cgroup.remove();
    }),
  );
  failpoint('oci.create.cgroup');
  if (!cgroup.wantsPid) await cgroup.create(config.linux?.resources ?? {});
  failpoint('oci.create.execute');
  // Where an ordinary user's cgroups are, or are not, is known by now.
  const final = context.rootless ? program(cgroup) : checked;
  const outcome = await front.execute(final, async (_topic, pid) => {
    if (cgroup.wantsPid) await cgroup.create(config.linux?.resources ?? {}, pid);
    lock.write((made = { ...intent, cgroup: cgroup.place }));
  });
  const init = outcome.type === 'done' ? host.identityOf(outcome.pid) : undefined;
  if (init === undefined) throw new PlatformError('internal', 'init has ended before it was started');
  // From here on nobody but us ends it where there is no cgroup to find it in.
  const stored = { ...intent, cgroup: cgroup.place, init };
  made = stored;
  failpoint('oci.create.executed');
  lock.write(stored);
  failpoint('oci.create.pid-file');
  if (options.pidFile !== undefined) writePidFile(context, options.pidFile, init.pid);
  failpoint('oci.create.end');
  front.lost.throwIfAborted();
  undo.move();
  return { stored, config, lock, [Symbol.dispose]: () => lock[Symbol.dispose]() };
}

function withMounts(rootMounts: number | undefined): { readonly rootMounts?: number } {
  return rootMounts === undefined ? {} : { rootMounts };
}

function withCallersDescriptors(context: OciContext, config: RuntimeConfig): RuntimeConfig {
  if (config.process === undefined) return config;
  return { ...config, process: withListenVariables(context, config.process) };
}

function placeOf(context: OciContext, id: string, config: RuntimeConfig): CgroupPlace {
  const { host, driver, rootless } = context;
  const { cgroupsPath, intelRdt } = config.linux ?? {};
  const options = { id, cgroupsPath, driver, rootless, annotations: config.annotations, intelRdt };
  return host.placeCgroup(options);
}

/** What somebody else runs there would be limited, frozen and killed with the container. */
function refuseBusyCgroup(cgroup: ContainerCgroup): void {
  if (!cgroup.exists()) return;
  const pids = cgroup.pids({ recursive: true });
  if (pids.length === 0) return;
  throw new PlatformError(
    'conflict',
    `container's cgroup is not empty: ${pids.length} process(es) found in ${cgroup.place.path}`,
    { details: { pids } },
  );
}

function compileContext(
  context: OciContext,
  stored: StoredContainer,
  { cgroup, options, config }: { cgroup: ContainerCgroup; options: CreateOptions; config: RuntimeConfig },
): Omit<CreateContext, 'parent'> {
  const { id, bundle, rootfs, annotations } = stored;
  const isUser = context.front.request.uid !== 0;
  return {
    id,
    bundle,
    rootless: isUser,
    root: { type: 'path', path: rootfs },
    noPivot: options.noPivot ?? false,
    noNewKeyring: options.noNewKeyring ?? false,
    procsFiles: cgroup.wantsPid ? [] : cgroup.procsFiles,
    hierarchies: cgroup.hierarchies,
    idMapBy: isUser && !mapsItself(config, context.front.request) ? 'helper' : 'file',
    state: (status) => ({
      ociVersion: OCI_VERSION,
      id,
      status,
      bundle,
      ...(annotations === undefined ? {} : { annotations }),
    }),
    environment: callerEnvironment(context),
  };
}

/** A user may map one id, the own one, without help (user_namespaces(7)). */
function mapsItself({ linux }: RuntimeConfig, { uid, gid }: OciContext['front']['request']): boolean {
  const isOwn = (mappings: readonly IdMapping[] = [], id: number): boolean =>
    mappings.length === 1 && mappings[0]!.size === 1 && mappings[0]!.hostID === id;
  return isOwn(linux?.uidMappings, uid) && isOwn(linux?.gidMappings, gid);
}

/** A step of the way back: what it fails with must not hide why we go it, nor stop the others. */
async function tidy(context: OciContext, what: string, step: () => void | Promise<void>): Promise<void> {
  try {
    await step();
  } catch (error) {
    context.warn(`could not ${what}: ${errorMessage(error)}`);
  }
}
