/** Which level of the standard a namespace asks for, by its labels. */
import { invalid, type FieldError } from '../../../api/field-error.ts';
import { baselineChecks } from './baseline.ts';
import type { PodParts, Violation } from './check.ts';
import { restrictedChecks } from './restricted.ts';

export type Level = 'privileged' | 'baseline' | 'restricted';
export type Mode = 'enforce' | 'audit' | 'warn';

export interface LevelVersion {
  readonly level: Level;
  /** The N of v1.N; `latest` is Infinity. */
  readonly minor: number;
}

export type Policy = Readonly<Record<Mode, LevelVersion>>;

const MODES: readonly Mode[] = ['enforce', 'audit', 'warn'];
const PREFIX = 'pod-security.kubernetes.io/';
const LATEST = Infinity;
const PRIVILEGED: LevelVersion = { level: 'privileged', minor: LATEST };

const UNRESTRICTED = {
  policy: { enforce: PRIVILEGED, audit: PRIVILEGED, warn: PRIVILEGED },
  errors: [],
} as const;

function asksForSome(labels: Readonly<Record<string, string>>): boolean {
  for (const key in labels) if (key.startsWith(PREFIX)) return true;
  return false;
}

function isLevel(text: string): text is Level {
  return text === 'privileged' || text === 'baseline' || text === 'restricted';
}

/** `restricted:latest`. */
export function levelText({ level, minor }: LevelVersion): string {
  return `${level}:${minor === LATEST ? 'latest' : `v1.${minor}`}`;
}

/** A label that says nonsense means the strictest for its mode, and is a complaint when it is set. */
export function policyOf(labels: Readonly<Record<string, string>> | undefined): {
  readonly policy: Policy;
  readonly errors: readonly FieldError[];
} {
  if (labels === undefined || !asksForSome(labels)) return UNRESTRICTED;
  const errors: FieldError[] = [];
  const read = (mode: Mode): LevelVersion => {
    const key = `${PREFIX}${mode}`;
    const text = labels[key] ?? '';
    let level: Level = 'privileged';
    if (isLevel(text)) level = text;
    else if (Object.hasOwn(labels, key)) {
      // Enforcing nonsense enforces the strictest level; the other modes only tell.
      level = mode === 'enforce' ? 'restricted' : 'privileged';
      const why = 'must be one of privileged, baseline, restricted';
      errors.push(invalid(`metadata.labels[${key}]`, text, why));
    }
    const versionKey = `${key}-version`;
    const version = labels[versionKey];
    const match = /^v1\.(0|[1-9]\d*)$/.exec(version ?? '');
    if (match !== null) return { level, minor: Number(match[1]) };
    if (version !== undefined && version !== 'latest') {
      const why = 'must be "latest" or "v1.x"';
      errors.push(invalid(`metadata.labels[${versionKey}]`, version, why));
    }
    return { level, minor: LATEST };
  };
  const [enforce, audit, warn] = MODES.map(read) as [LevelVersion, LevelVersion, LevelVersion];
  // What is enforced is warned about as well: controllers' authors hear of it.
  const says = Object.hasOwn(labels, `${PREFIX}warn`);
  return { policy: { enforce, audit, warn: says ? warn : enforce }, errors };
}

export const RANK: Readonly<Record<Level, number>> = { privileged: 0, baseline: 1, restricted: 2 };

/** What a pod does against the standard, in upstream's order. */
export function violations({ level, minor }: LevelVersion, pod: PodParts): readonly Violation[] {
  if (level === 'privileged') return [];
  const test = (checks: typeof baselineChecks): Violation[] =>
    checks.flatMap(({ versions }) => versions.findLast(([since]) => since <= minor)?.[1](pod) ?? []);
  if (level === 'baseline') return test(baselineChecks);
  const active = restrictedChecks.filter(({ versions }) => versions.some(([since]) => since <= minor));
  const overridden = new Set(active.flatMap(({ overrides = [] }) => overrides));
  return [...test(baselineChecks.filter(({ id }) => !overridden.has(id))), ...test(active)];
}

export function violationText(found: readonly Violation[]): string {
  return found.map(({ reason, detail }) => (detail === '' ? reason : `${reason} (${detail})`)).join(', ');
}
