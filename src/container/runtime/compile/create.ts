/**
 * A checked configuration to the program that makes the container. The order is the lifecycle's (runtime.md) and, where
 * that leaves it open, runc's; what must come before what, and why, stands at each part.
 */
import { existsSync } from 'node:fs';
import { PlatformError } from '../../../base/errors.ts';
import type { ProcessConfig, RuntimeConfig } from '../../spec/runtime-config.ts';
import { type Instruction, type Propagation, step } from '../program/instructions.ts';
import { agentState } from './agent-state.ts';
import type { ConsoleTarget, CreateContext } from './context.ts';
import { deviceSteps } from './devices.ts';
import { hookSteps } from './hooks.ts';
import { type MountSteps, mountSteps } from './mounts.ts';
import { cloneStep, deniesSetgroups, namespacesOf, namespaceSteps } from './namespaces.ts';
import {
  identitySteps,
  lateSeccompSteps,
  personalityStep,
  preparationSteps,
  type ProcessOptions,
  rlimitSteps,
} from './process.ts';
import { rootFolder, rootStep } from './root.ts';
import { clean, steps } from './steps.ts';

export function compileCreate(config: RuntimeConfig, context: CreateContext): Instruction[] {
  checkTogether(config, context);
  const mounts = mountSteps(config, context);
  return [
    ...parentSteps(context),
    ...namespaceSteps(config, context),
    ...mounts.before,
    ...steps('cgroup', context.procsFiles),
    cloneStep(config),
    ...afterClone(config, context),
    step('enter'),
    ...surroundings(config, context),
    ...rootSteps(config, context, mounts),
    ...hooksAroundRoot(config, context),
    ...consoleSteps(config, context),
    ...restrictions(config, mounts),
    ...enterRoot(config, context),
    ...processSteps(config, context),
  ];
}

/** What a configuration alone cannot show. */
function checkTogether(config: RuntimeConfig, { rootless, noPivot }: CreateContext): void {
  if (rootless && !namespacesOf(config).isOther('user')) {
    throw new PlatformError('invalid', 'linux.namespaces: an ordinary user wants a namespace of type "user"');
  }
  const propagation = config.linux?.rootfsPropagation ?? '';
  if (noPivot === true && /private$/.test(propagation)) {
    throw new PlatformError(
      'invalid',
      `linux.rootfsPropagation: "${propagation}" is not safe without pivot_root`,
    );
  }
}

/** How the parent itself lives, and what it must open while it sees the host. */
function parentSteps({ parent, seccomp }: CreateContext): Instruction[] {
  const listener = seccomp?.listener === undefined ? [] : [step('seccomp-listener', seccomp.listener.path)];
  if (parent.type === 'front') {
    return [...descriptorSteps(parent), step('listen', parent.stateFolder), ...listener];
  }
  const { output, oomFile } = parent;
  return [
    step('shim', output.type === 'inherit' ? 'foreground' : 'detached'),
    ...(output.type === 'log'
      ? [step('log', output.path, output.terminal ? 'terminal' : 'pipes', output.input)]
      : []),
    ...(output.type === 'log' && output.terminal ? [step('console-to', 'relay')] : []),
    ...(output.type === 'none' ? [step('no-output')] : []),
    ...(oomFile === undefined ? [] : [step('oom', oomFile)]),
    ...listener,
  ];
}

export function descriptorSteps(options: {
  readonly preserveFds?: number;
  readonly consoleTo?: ConsoleTarget;
}): Instruction[] {
  const { preserveFds = 0, consoleTo } = options;
  return [
    ...(preserveFds === 0 ? [] : [step('preserve-fds', String(preserveFds))]),
    ...(consoleTo === undefined
      ? []
      : [
          consoleTo.type === 'socket'
            ? step('console-to', 'socket', consoleTo.path)
            : step('console-to', 'relay'),
        ]),
  ];
}

/** Before anything of the container runs: nothing of it may run without its limits. */
function afterClone(config: RuntimeConfig, { parent }: CreateContext): Instruction[] {
  const { process } = config;
  return [
    ...(parent.type === 'front' && parent.askForCgroup === true ? [step('ask', 'cgroup')] : []),
    ...(process === undefined ? [] : rlimitSteps(process)),
    ...(process?.oomScoreAdj === undefined || parent.type === 'shim'
      ? []
      : [step('oom-score-adj', String(process.oomScoreAdj), 'strict')]),
  ];
}

/** The namespaces' own settings. */
function surroundings(config: RuntimeConfig, { id, parent, noNewKeyring }: CreateContext): Instruction[] {
  const namespaces = namespacesOf(config);
  const { hostname = '', domainname = '' } = config;
  return [
    ...(noNewKeyring === true ? [] : [step('keyring', keyringName(id, parent.type))]),
    ...(namespaces.isNew('cgroup') ? [step('unshare-cgroup')] : []),
    ...(namespaces.isNew('network') ? [step('loopback')] : []),
    ...(hostname === '' ? [] : [step('hostname', hostname)]),
    ...(domainname === '' ? [] : [step('domainname', domainname)]),
  ];
}

export function keyringName(id: string, parent: 'front' | 'shim'): string {
  return parent === 'front' ? `_ses.${id}` : `sampan-${id.slice(0, 12)}`;
}

/** Without a mount namespace of its own the container's mounts are the runtime's, below the root's. */
function rootSteps(config: RuntimeConfig, context: CreateContext, mounts: MountSteps): Instruction[] {
  const { root, hasKcore = existsSync('/proc/kcore') } = context;
  return [
    ...(namespacesOf(config).isOther('mount') ? [step('propagation', hostPropagation(config))] : []),
    rootStep(root),
    ...mounts.inside,
    ...(root.type === 'empty' ? [] : deviceSteps(config, hasKcore)),
  ];
}

/**
 * Of the host's mounts in the container's namespace. Volumes propagate to the host only when these stay shared, so what
 * the root is to be is what they are; `unbindable` would keep volumes from being bound, so that is for the root alone.
 */
function hostPropagation(config: RuntimeConfig): Propagation {
  const kind = (config.linux?.rootfsPropagation ?? '') as Propagation | '';
  if (kind === '') return 'rslave';
  return kind.endsWith('unbindable') ? 'rprivate' : kind;
}

/** After the mounts and before pivot, so that hooks can add to the root; before anything is made read-only. */
function hooksAroundRoot(config: RuntimeConfig, context: CreateContext): Instruction[] {
  const { state, environment = [], bundle } = context;
  const parents = hookSteps(config, ['prestart', 'createRuntime'], { state, environment, folder: bundle });
  return [
    ...(parents.length === 0 ? [] : [step('leave'), ...parents, step('enter')]),
    ...hookSteps(config, ['createContainer'], { state, environment }),
  ];
}

function consoleSteps({ process }: RuntimeConfig, { parent }: CreateContext): Instruction[] {
  if (process === undefined) return [];
  // The session is the user's process' own: what keys send is not for the shim's PID 1.
  if (parent.type === 'shim') return terminalSteps(process, 'bind');
  return [...terminalSteps(process, 'bind'), step('session')];
}

export function terminalSteps({ terminal, consoleSize }: ProcessConfig, bind: 'bind' | ''): Instruction[] {
  if (terminal !== true) return [];
  return [step('console', String(consoleSize?.height ?? 0), String(consoleSize?.width ?? 0), bind)];
}

function restrictions(config: RuntimeConfig, mounts: MountSteps): Instruction[] {
  const { sysctl = {}, readonlyPaths = [], maskedPaths = [], mountLabel = '' } = config.linux ?? {};
  const isReadonly = config.root?.readonly === true;
  const maskData = mountLabel === '' ? '' : `context="${mountLabel}"`;
  return [
    // The working directory is made when missing, which a read-only root would refuse. It is entered again later: what
    // is masked or read-only by then must not be seen as it is now.
    ...(isReadonly && config.process !== undefined ? [step('cwd', clean(config.process.cwd))] : []),
    ...mounts.late,
    ...(isReadonly ? [step('remount-readonly', '/')] : []),
    ...Object.entries(sysctl).map(([name, value]) => step('sysctl', sysctlPath(name), value)),
    ...readonlyPaths.map((path) => step('readonly', clean(path))),
    ...maskedPaths.map((path) => step('mask', clean(path), maskData)),
  ];
}

/** sysctl(8): where the first separator is a slash, dots are parts of names. */
function sysctlPath(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  if (first !== '.') return name;
  return name.replaceAll(/[./]/g, (separator) => (separator === '.' ? '/' : '.'));
}

function enterRoot(config: RuntimeConfig, { root, noPivot }: CreateContext): Instruction[] {
  const propagation = (config.linux?.rootfsPropagation ?? '') as Propagation | '';
  if (!namespacesOf(config).isOther('mount')) return [step('chroot', rootFolder(root))];
  return [
    step(noPivot === true ? 'move-root' : 'pivot'),
    ...(/(shared|unbindable)$/.test(propagation)
      ? [step('root-propagation', propagation as Propagation)]
      : []),
  ];
}

function processSteps(config: RuntimeConfig, context: CreateContext): Instruction[] {
  const { process, linux } = config;
  const { parent, seccomp } = context;
  // A bundle without a process can be created and deleted; its start fails for want of something to execute.
  if (process === undefined) return [step('created'), step(parent.type === 'shim' ? 'hold' : 'exec')];
  const options: ProcessOptions = {
    userByName: parent.type === 'shim' ? parent.user : undefined,
    keepGroups: deniesSetgroups(config, context),
    seccomp,
    agentState: agentState(seccomp, context.state('creating')),
  };
  const { environment = [] } = context;
  const prepared = [...personalityStep(linux?.personality), ...preparationSteps(process, options)];
  const last = [
    ...lateSeccompSteps(process, options),
    ...hookSteps(config, ['startContainer'], {
      state: context.state,
      environment: process.env ?? environment,
    }),
    step('exec'),
  ];
  // The front's init waits with the user's privileges and no more: what is wrong with them is an error of create.
  if (parent.type === 'front') {
    return [...prepared, ...identitySteps(process, options), step('find-program'), step('created'), ...last];
  }
  return [
    ...prepared,
    step('find-program'),
    step('created'),
    // PID 1 stays as it is; the child becomes the user's process.
    step(parent.init),
    ...(process.terminal === true ? [step('session')] : []),
    step('foreground'),
    step('oom-score-adj', String(process.oomScoreAdj ?? 0), 'lenient'),
    ...identitySteps(process, options),
    ...last,
  ];
}
