/**
 * May this user do that? Authorizers are asked in order; the first that does not abstain decides, and when all abstain
 * the answer is no (https://kubernetes.io/docs/reference/access-authn-authz/authorization/).
 */
import { goQuote } from '../../api/field-error.ts';
import { parseLabelSelector } from '../../api/label-selector-text.ts';
import { parseFieldSelector, type FieldTerm, type LabelRequirement } from '../../api/selector.ts';
import type { UserInfo } from '../../api/transport.ts';
import { forbidden, forbiddenPath } from '../failure.ts';
import type { RequestInfo } from '../request-info.ts';
import type { Rule } from './rules.ts';

/** What is asked for; a resource request or a path. */
export interface Attributes {
  readonly user: UserInfo;
  readonly verb: string;
  /** Of a request that is not for a resource. */
  readonly path?: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  /** Empty: all namespaces, or none. */
  readonly namespace: string;
  readonly name: string;
  /** What a list, a watch or a deletion of a collection is narrowed to (KEP-4601). */
  readonly fieldSelector?: readonly FieldTerm[];
  readonly labelSelector?: readonly LabelRequirement[];
}

export interface Decision {
  readonly answer: 'allow' | 'deny' | 'abstain';
  /** For people: which rule, or what was looked for in vain. */
  readonly reason?: string;
  /** What went wrong on the way to it. */
  readonly error?: string;
}

/** What an authorizer knows of all that a user may do. */
export interface KnownRules {
  readonly rules: readonly Rule[];
  /** The user may do more than this. */
  readonly incomplete: boolean;
  readonly error?: string;
}

export interface Authorizer {
  decide(attributes: Attributes): Decision | Promise<Decision>;
  /** For SelfSubjectRulesReview; absent: it has no say in it. */
  rulesFor?(user: UserInfo, namespace: string): KnownRules;
}

export const ABSTAIN: Decision = { answer: 'abstain' };

export function firstOf(authorizers: readonly Authorizer[]): Authorizer {
  return {
    decide: (attributes) => decideFrom(authorizers, 0, { attributes, heard: [] }),
    rulesFor(user, namespace) {
      const known = authorizers.flatMap((authorizer) => authorizer.rulesFor?.(user, namespace) ?? []);
      const errors = known.flatMap(({ error }) => error ?? []);
      return {
        rules: known.flatMap(({ rules }) => rules),
        incomplete: known.some(({ incomplete }) => incomplete),
        ...(errors.length > 0 && { error: aggregated(errors) }),
      };
    },
  };
}

/** `heard` is what those before `first` have said. Most know at once: then nobody waits. */
function decideFrom(
  authorizers: readonly Authorizer[],
  first: number,
  { attributes, heard }: { readonly attributes: Attributes; readonly heard: Decision[] },
): Decision | Promise<Decision> {
  for (let i = first; i < authorizers.length; i++) {
    const asked = authorizers[i]!.decide(attributes);
    if (asked instanceof Promise) {
      return asked.then((decision) => {
        if (decision.answer !== 'abstain') return decision;
        heard.push(decision);
        return decideFrom(authorizers, i + 1, { attributes, heard });
      });
    }
    if (asked.answer !== 'abstain') return asked;
    heard.push(asked);
  }
  const reasons = heard.flatMap(({ reason = '' }) => (reason === '' ? [] : [reason]));
  const errors = heard.flatMap(({ error }) => error ?? []);
  if (reasons.length === 0 && errors.length === 0) return ABSTAIN;
  return {
    answer: 'abstain',
    ...(reasons.length > 0 && { reason: reasons.join('\n') }),
    ...(errors.length > 0 && { error: aggregated(errors) }),
  };
}

/** Several errors in one, as Go's Aggregate says it. */
export function aggregated(errors: readonly string[]): string {
  const distinct = [...new Set(errors)];
  return distinct.length === 1 ? distinct[0]! : `[${distinct.join(', ')}]`;
}

const OF_MANY = new Set(['list', 'watch', 'deletecollection']);

export function attributesOf(user: UserInfo, info: RequestInfo): Attributes {
  const { verb, group, version, resource, subresource, namespace, name } = info;
  const common = { user, verb, group, version, resource, subresource, namespace, name };
  if (!info.isResource) return { ...common, path: info.path };
  return OF_MANY.has(verb) ? { ...common, ...selectorsOf(info) } : common;
}

/** What a selector cannot be read as narrows nothing here; the request itself fails later. */
function selectorsOf({ query, verb, name }: RequestInfo): Partial<Attributes> {
  const [fields, labels] = [query.get('fieldSelector') ?? '', query.get('labelSelector') ?? ''];
  if (fields === '' && labels === '') return {};
  const fieldSelector = fields === '' ? undefined : readable(() => parseFieldSelector(fields));
  const labelSelector = labels === '' ? undefined : readable(() => parseLabelSelector(labels).requirements);
  // Reading everything with that name is reading that one.
  const only = fieldSelector?.find(({ field, operator }) => field === 'metadata.name' && operator === '=');
  return {
    ...(fieldSelector !== undefined && { fieldSelector }),
    ...(labelSelector !== undefined && { labelSelector }),
    ...(only !== undefined &&
      name === '' &&
      verb !== 'deletecollection' && { name: nameSegment(only.value) }),
  };
}

/** A name that could not stand in a path names nothing. */
function nameSegment(name: string): string {
  return name === '.' || name === '..' || /[/%]/.test(name) ? '' : name;
}

function readable<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

/** The refusal as upstream words it. */
export function refusal(attributes: Attributes, decision: Decision): Error {
  const { user, verb, path, group, resource, subresource, namespace, name } = attributes;
  if (path !== undefined) return forbiddenPath(user.name, verb, path, decision.reason);
  const full = goQuote(subresource === '' ? resource : `${resource}/${subresource}`);
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${goQuote(namespace)}`;
  const because = decision.reason === undefined || decision.reason === '' ? '' : `: ${decision.reason}`;
  const what = `User ${goQuote(user.name)} cannot ${verb} resource ${full} in API group ${goQuote(group)} ${where}`;
  return forbidden({ group, resource }, name, `${withoutMarkup(what)}${because}`);
}

/** What the request says must not become markup in a browser. */
export function withoutMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
