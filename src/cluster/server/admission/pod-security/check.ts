/** What the checks of the pod security standards have in common (https://kubernetes.io/docs/concepts/security/pod-security-standards/). */
import { getPath, objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';

export interface Violation {
  /** `privileged`, `host namespaces`. */
  readonly reason: string;
  readonly detail: string;
}

/** Template or pod: what is looked at. */
export interface PodParts {
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: JsonObject;
}

export interface Check {
  readonly id: string;
  readonly level: 'baseline' | 'restricted';
  /** Of version 1.N, what counts from N on; the newest that is not newer than the policy. */
  readonly versions: readonly (readonly [since: number, check: (pod: PodParts) => Violation | undefined])[];
  /** Of the baseline checks, those that this one makes superfluous. */
  readonly overrides?: readonly string[];
}

const LISTS = ['initContainers', 'containers', 'ephemeralContainers'];

export function containersOf({ spec }: PodParts): readonly JsonObject[] {
  return LISTS.flatMap((list) => objectsAt(spec, list));
}

export function nameOf(container: JsonObject): string {
  return stringAt(container, 'name');
}

/** `container "a"`, `containers "a", "b"`. */
export function containers(names: readonly string[]): string {
  return `${plural('container', names.length)} ${quoted(names)}`;
}

export function quoted(values: readonly string[]): string {
  return values.map((value) => JSON.stringify(value)).join(', ');
}

export function plural(word: string, count: number, many = `${word}s`): string {
  return count === 1 ? word : many;
}

export function sorted(values: Iterable<string>): string[] {
  return [...new Set(values)].toSorted();
}

/** Who among pod and containers has something at `path` of its security context for which `bad` holds. */
export function setters(
  pod: PodParts,
  path: readonly string[],
  bad: (value: NonNullable<ReturnType<typeof getPath>>) => boolean,
): readonly string[] {
  const has = (holder: JsonObject): boolean => {
    const value = getPath(holder, 'securityContext', ...path);
    return value !== undefined && value !== null && bad(value);
  };
  const names = containersOf(pod).filter(has).map(nameOf);
  return [...(has(pod.spec) ? ['pod'] : []), ...(names.length > 0 ? [containers(names)] : [])];
}

/** User namespaces make root in the container somebody else (KEP-127). */
export function hasOwnUsers({ spec }: PodParts): boolean {
  return spec['hostUsers'] === false;
}

export function isWindows({ spec }: PodParts): boolean {
  return stringAt(spec, 'os', 'name') === 'windows';
}
