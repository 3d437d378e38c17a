/** `state`: one container, as tools that drive runtimes read it. */
import { statSync } from 'node:fs';
import type { StoredContainer } from './container-folder.ts';
import { OCI_VERSION, type OciContext } from './context.ts';
import { type ContainerStatus, statusOf } from './status.ts';

/** Names and order of the members are runc's. */
export interface ContainerReport {
  readonly ociVersion: string;
  readonly id: string;
  /** 0 once it has stopped. */
  readonly pid: number;
  readonly status: ContainerStatus;
  readonly bundle: string;
  readonly rootfs: string;
  /** RFC 3339. */
  readonly created: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly owner: string;
}

/** `not-found`. */
export function stateOf(context: OciContext, id: string): ContainerReport {
  const stored = context.folders.read(id);
  return stored === undefined ? reportOfRest(context, id) : report(context, stored);
}

export function report(context: OciContext, stored: StoredContainer): ContainerReport {
  const status = statusOf(context, stored);
  const { id, bundle, rootfs, created, annotations } = stored;
  return {
    ociVersion: OCI_VERSION,
    id,
    pid: status === 'stopped' ? 0 : (stored.init?.pid ?? 0),
    status,
    bundle,
    rootfs,
    created,
    ...(annotations === undefined || Object.keys(annotations).length === 0 ? {} : { annotations }),
    owner: '',
  };
}

/** A folder that a crash has left without a state: it can be seen, and deleted. */
function reportOfRest({ folders }: OciContext, id: string): ContainerReport {
  const since = statSync(folders.path(id), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return {
    ociVersion: OCI_VERSION,
    id,
    pid: 0,
    status: 'stopped',
    bundle: '',
    rootfs: '',
    created: timestamp(since),
    owner: '',
  };
}

/** RFC 3339 without trailing zeros, as Go prints times. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.?0*Z$/, 'Z');
}
