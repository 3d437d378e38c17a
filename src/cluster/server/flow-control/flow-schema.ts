/** Which flow schema a request belongs to. */
import { listAt, numberAt, objectsAt, stringAt, type JsonObject } from '../../api/json.ts';
import type { UserInfo } from '../../api/transport.ts';
import type { Attributes } from '../authorization/authorizer.ts';
import type { KubeObject } from '../object.ts';

export interface FlowSchema {
  readonly name: string;
  readonly uid: string;
  readonly level: string;
  readonly precedence: number;
  /** What tells one flow from another. */
  readonly distinguisher: (asked: Attributes) => string;
  matches(asked: Attributes): boolean;
}

export function flowSchemaOf({ metadata, spec = {} }: KubeObject): FlowSchema {
  const rules = objectsAt(spec, 'rules').map((rule) => ({
    subjects: objectsAt(rule, 'subjects').map(subjectTest),
    resources: objectsAt(rule, 'resourceRules').map(resourceRuleOf),
    paths: objectsAt(rule, 'nonResourceRules').map((each) => ({
      verbs: new Set(stringsAt(each, 'verbs')),
      urls: stringsAt(each, 'nonResourceURLs'),
    })),
  }));
  const method = stringAt(spec, 'distinguisherMethod', 'type');
  return {
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
    level: stringAt(spec, 'priorityLevelConfiguration', 'name'),
    precedence: numberAt(spec, 'matchingPrecedence') ?? 1000,
    distinguisher: (asked) =>
      method === 'ByUser' ? asked.user.name : method === 'ByNamespace' ? asked.namespace : '',
    matches(asked) {
      return rules.some(
        ({ subjects, resources, paths }) =>
          subjects.some((isSubject) => isSubject(asked.user)) &&
          (asked.path === undefined
            ? resources.some((rule) => coversResource(rule, asked))
            : paths.some(
                ({ verbs, urls }) =>
                  has(verbs, asked.verb) && urls.some((url) => coversPath(url, asked.path!)),
              )),
      );
    },
  };
}

interface ResourceRule {
  readonly verbs: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
  readonly resources: ReadonlySet<string>;
  readonly namespaces: ReadonlySet<string>;
  readonly clusterScope: boolean;
}

function resourceRuleOf(rule: JsonObject): ResourceRule {
  return {
    verbs: new Set(stringsAt(rule, 'verbs')),
    groups: new Set(stringsAt(rule, 'apiGroups')),
    resources: new Set(stringsAt(rule, 'resources')),
    namespaces: new Set(stringsAt(rule, 'namespaces')),
    clusterScope: rule['clusterScope'] === true,
  };
}

function has(set: ReadonlySet<string>, value: string): boolean {
  return set.has('*') || set.has(value);
}

function coversResource(
  rule: ResourceRule,
  { verb, group, resource, subresource, namespace }: Attributes,
): boolean {
  if (!has(rule.verbs, verb) || !has(rule.groups, group)) return false;
  if (!has(rule.resources, subresource === '' ? resource : `${resource}/${subresource}`)) return false;
  return namespace === '' ? rule.clusterScope : has(rule.namespaces, namespace);
}

function coversPath(pattern: string, path: string): boolean {
  if (pattern === '*' || pattern === path) return true;
  return pattern.endsWith('/*') && path.startsWith(pattern.slice(0, -1));
}

/** Each request is held against the subjects of a dozen schemas: what they say is read once. */
function subjectTest(subject: JsonObject): (user: UserInfo) => boolean {
  switch (subject['kind']) {
    case 'User': {
      const name = stringAt(subject, 'user', 'name');
      return (user) => name === '*' || name === user.name;
    }
    case 'Group': {
      const name = stringAt(subject, 'group', 'name');
      return ({ groups }) => name === '*' || groups.includes(name);
    }
    case 'ServiceAccount': {
      const name = stringAt(subject, 'serviceAccount', 'name');
      const prefix = `system:serviceaccount:${stringAt(subject, 'serviceAccount', 'namespace')}:`;
      const wanted = prefix + name;
      return name === '*' ? (user) => user.name.startsWith(prefix) : (user) => user.name === wanted;
    }
    default:
      return () => false;
  }
}

function stringsAt(value: JsonObject, name: string): string[] {
  return listAt(value, name).filter((item) => typeof item === 'string');
}
