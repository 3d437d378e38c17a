/** What the server says of definitions: which of their names are theirs, and so whether they are served. */
import { rfc3339 } from '../../../base/clock.ts';
import { jsonEqual, listAt, objectAt, objectsAt, stringAt, type JsonObject } from '../../api/json.ts';
import { approvalOf } from '../../api/validate/api-approval.ts';
import { caBundleProblem } from '../../api/validate/ca-bundle.ts';
import type { KubeObject } from '../object.ts';

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

/** The status with the condition in it; `now` in milliseconds since the epoch. */
export function withCondition(
  status: JsonObject,
  condition: Condition,
  now: number,
): JsonObject & { readonly conditions: readonly JsonObject[] } {
  const conditions = objectsAt(status, 'conditions');
  const old = conditions.find((one) => one['type'] === condition.type);
  const isSame = old?.['status'] === condition.status && old['lastTransitionTime'] !== undefined;
  const lastTransitionTime = isSame ? old['lastTransitionTime']! : rfc3339(now);
  const next: JsonObject = { ...condition, lastTransitionTime };
  return {
    ...status,
    conditions:
      old === undefined ? [...conditions, next] : conditions.map((one) => (one === old ? next : one)),
  };
}

/** `others` are the definitions of the same group. */
export function definitionStatus(
  definition: KubeObject,
  { others, now }: { readonly others: () => readonly KubeObject[]; readonly now: number },
): JsonObject {
  const names = objectAt(definition, 'spec', 'names');
  let status: JsonObject = definition.status ?? {};
  const isNamed = objectsAt(status, 'conditions').some((one) => one['type'] === 'NamesAccepted');
  if (!isNamed || !jsonEqual(objectAt(status, 'acceptedNames'), names)) {
    const { accepted, conflict } = acceptNames(names, objectAt(status, 'acceptedNames'), others());
    const good = { reason: 'NoConflicts', message: 'no conflicts found' };
    const met = conflict === undefined ? 'True' : 'False';
    const condition: Condition = { type: 'NamesAccepted', status: met, ...(conflict ?? good) };
    status = withCondition({ ...status, acceptedNames: accepted }, condition, now);
  }
  status = established(status, { definition, now });
  const approval = approvalOf(definition);
  if (approval === undefined) return status;
  const met = approval.reason === 'ApprovedAnnotation' ? 'True' : 'False';
  return withCondition(
    status,
    { type: 'KubernetesAPIApprovalPolicyConformant', status: met, ...approval },
    now,
  );
}

/** Once it is, it stays. */
function established(
  status: JsonObject,
  { definition, now }: { readonly definition: KubeObject; readonly now: number },
): JsonObject {
  const has = (type: string, met: boolean): boolean =>
    objectsAt(status, 'conditions').some((one) => one['type'] === type && (!met || one['status'] === 'True'));
  if (has('Established', true)) return status;
  const type = 'Established';
  const bundle = stringAt(definition, 'spec', 'conversion', 'webhook', 'clientConfig', 'caBundle');
  const isTrusted = bundle === '' || caBundleProblem(bundle) === undefined;
  if (has('NamesAccepted', true) && !isTrusted) {
    const why = { reason: 'InvalidCABundle', message: 'The conversion webhook CABundle is invalid' };
    return withCondition(status, { type, status: 'False', ...why }, now);
  }
  if (has('NamesAccepted', true)) {
    const why = { reason: 'InitialNamesAccepted', message: 'the initial names have been accepted' };
    return withCondition(status, { type, status: 'True', ...why }, now);
  }
  if (has(type, false)) return status;
  const why = { reason: 'NotAccepted', message: 'not all names are accepted' };
  return withCondition(status, { type, status: 'False', ...why }, now);
}

interface Names {
  /** The new names that are free, and the old ones where they are not. */
  readonly accepted: JsonObject;
  /** The last of the names that are taken. */
  readonly conflict: Pick<Condition, 'reason' | 'message'> | undefined;
}

function acceptNames(wanted: JsonObject, before: JsonObject, others: readonly KubeObject[]): Names {
  const theirs = others.map((other) => objectAt(other, 'status', 'acceptedNames'));
  const resources = new Set(
    theirs.flatMap((names) => [
      stringAt(names, 'plural'),
      stringAt(names, 'singular'),
      ...(listAt(names, 'shortNames') as string[]),
    ]),
  );
  const kinds = new Set(theirs.flatMap((names) => [stringAt(names, 'kind'), stringAt(names, 'listKind')]));
  const checks = [
    ['plural', resources],
    ['singular', resources],
    ['shortNames', resources],
    ['kind', kinds],
    ['listKind', kinds],
  ] as const;
  const accepted: JsonObject = { ...wanted };
  let conflict: Names['conflict'];
  for (const [name, taken] of checks) {
    const mine = valuesOf(before, name);
    const clashes = valuesOf(wanted, name).filter((value) => !mine.includes(value) && taken.has(value));
    if (clashes.length === 0) continue;
    const texts = clashes.map((value) => `${JSON.stringify(value)} is already in use`);
    const message = texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`;
    conflict = { reason: `${name.charAt(0).toUpperCase()}${name.slice(1)}Conflict`, message };
    accepted[name] = before[name];
    if (before[name] === undefined) delete accepted[name];
  }
  // These two are always there.
  for (const name of ['plural', 'kind']) accepted[name] ??= '';
  return { accepted, conflict };
}

function valuesOf(names: JsonObject, name: string): readonly string[] {
  return name === 'shortNames' ? (listAt(names, name) as string[]) : [stringAt(names, name)].filter(Boolean);
}
