/** Which requests are recorded, and how much of them: an audit.k8s.io/v1 Policy. The first rule that matches decides. */
import { PlatformError } from '../../../base/errors.ts';
import {
  isJsonObject,
  listAt,
  objectsAt,
  stringAt,
  type JsonObject,
  type JsonValue,
} from '../../api/json.ts';
import { parseYaml } from '../../api/yaml.ts';
import type { Attributes } from '../authorization/authorizer.ts';

export const LEVELS = ['None', 'Metadata', 'Request', 'RequestResponse'] as const;
export type AuditLevel = (typeof LEVELS)[number];

export const STAGES = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;
export type AuditStage = (typeof STAGES)[number];

export interface AuditDecision {
  readonly level: AuditLevel;
  readonly omitStages: ReadonlySet<string>;
  readonly omitManagedFields: boolean;
}

const NOTHING: AuditDecision = { level: 'None', omitStages: new Set(), omitManagedFields: false };

export interface AuditPolicy {
  decide(asked: Attributes): AuditDecision;
}

/** Reads a policy file; `invalid` names the field. */
export async function parseAuditPolicy(bytes: Uint8Array): Promise<AuditPolicy> {
  return auditPolicy((await parseYaml(bytes)).value);
}

export function auditPolicy(policy: JsonValue): AuditPolicy {
  if (!isJsonObject(policy) || policy['kind'] !== 'Policy' || policy['apiVersion'] !== 'audit.k8s.io/v1') {
    throw new PlatformError('invalid', 'audit policy: want kind Policy of apiVersion audit.k8s.io/v1');
  }
  const rules = objectsAt(policy, 'rules');
  if (rules.length === 0) throw new PlatformError('invalid', 'audit policy: rules: want at least one');
  const omitted = stagesAt(policy, 'omitStages');
  const omitFields = policy['omitManagedFields'] === true;
  const parsed = rules.map((rule, i) => ({
    matches: matcherOf(rule, `rules[${i}]`),
    decision: {
      level: levelAt(rule, `rules[${i}]`),
      omitStages: new Set([...omitted, ...stagesAt(rule, `rules[${i}].omitStages`, 'omitStages')]),
      omitManagedFields:
        typeof rule['omitManagedFields'] === 'boolean' ? rule['omitManagedFields'] : omitFields,
    },
  }));
  return { decide: (asked) => parsed.find(({ matches }) => matches(asked))?.decision ?? NOTHING };
}

function levelAt(rule: JsonObject, path: string): AuditLevel {
  const level = LEVELS.find((each) => each === rule['level']);
  if (level !== undefined) return level;
  throw new PlatformError('invalid', `audit policy: ${path}.level: want one of ${LEVELS.join(', ')}`);
}

function stagesAt(from: JsonObject, path: string, name = path): string[] {
  const stages = strings(from, name);
  const unknown = stages.find((stage) => !STAGES.some((each) => each === stage));
  if (unknown === undefined) return stages;
  throw new PlatformError('invalid', `audit policy: ${path}: ${JSON.stringify(unknown)} is no stage`);
}

function strings(from: JsonObject, name: string): string[] {
  return listAt(from, name).filter((item) => typeof item === 'string');
}

function matcherOf(rule: JsonObject, path: string): (asked: Attributes) => boolean {
  const users = new Set(strings(rule, 'users'));
  const groups = strings(rule, 'userGroups');
  const verbs = new Set(strings(rule, 'verbs'));
  const namespaces = new Set(strings(rule, 'namespaces'));
  const urls = strings(rule, 'nonResourceURLs');
  const resources = objectsAt(rule, 'resources').map((each) => ({
    group: stringAt(each, 'group'),
    resources: strings(each, 'resources'),
    names: new Set(strings(each, 'resourceNames')),
  }));
  const ofResources = resources.length > 0 || namespaces.size > 0;
  if (ofResources && urls.length > 0) {
    throw new PlatformError(
      'invalid',
      `audit policy: ${path}: is for resources or for nonResourceURLs, not both`,
    );
  }
  return (asked) => {
    const { user, verb, path, group, resource, subresource, namespace, name } = asked;
    if (users.size > 0 && !users.has(user.name)) return false;
    if (groups.length > 0 && !groups.some((each) => user.groups.includes(each))) return false;
    if (verbs.size > 0 && !verbs.has(verb)) return false;
    if (path !== undefined) {
      if (ofResources) return false;
      return urls.length === 0 || urls.some((url) => coversPath(url, path));
    }
    if (urls.length > 0) return false;
    if (namespaces.size > 0 && !namespaces.has(namespace)) return false;
    if (resources.length === 0) return true;
    const full = subresource === '' ? resource : `${resource}/${subresource}`;
    const patterns = new Set([
      '*',
      full,
      `*/${subresource}`,
      ...(subresource === '' ? [] : [`${resource}/*`]),
    ]);
    return resources.some(
      (each) =>
        each.group === group &&
        (each.names.size === 0 || each.names.has(name)) &&
        (each.resources.length === 0 || each.resources.some((one) => patterns.has(one))),
    );
  };
}

function coversPath(pattern: string, path: string): boolean {
  return (
    pattern === '*' || pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1)))
  );
}
