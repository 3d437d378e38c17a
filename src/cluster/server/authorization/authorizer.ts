/**
 * May this user do that? Authorizers are asked in order; the first that does not abstain decides, and when all abstain
 * the answer is no (https://kubernetes.io/docs/reference/access-authn-authz/authorization/).
 */
import type { UserInfo } from '../../api/transport.ts';
import { forbidden, forbiddenPath } from '../failure.ts';
import type { RequestInfo } from '../request-info.ts';

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
}

export interface Decision {
  readonly answer: 'allow' | 'deny' | 'abstain';
  /** For people: which rule, or what was looked for in vain. */
  readonly reason?: string;
}

export interface Authorizer {
  decide(attributes: Attributes): Decision | Promise<Decision>;
}

export const ABSTAIN: Decision = { answer: 'abstain' };

export function firstOf(authorizers: readonly Authorizer[]): Authorizer {
  return {
    async decide(attributes) {
      const reasons: string[] = [];
      for (const authorizer of authorizers) {
        const decision = await authorizer.decide(attributes);
        if (decision.answer !== 'abstain') return decision;
        if (decision.reason !== undefined && decision.reason !== '') reasons.push(decision.reason);
      }
      return reasons.length === 0 ? ABSTAIN : { answer: 'abstain', reason: reasons.join(', ') };
    },
  };
}

export function attributesOf(user: UserInfo, info: RequestInfo): Attributes {
  const { verb, group, version, resource, subresource, namespace, name } = info;
  const common = { user, verb, group, version, resource, subresource, namespace, name };
  return info.isResource ? common : { ...common, path: info.path };
}

/** The refusal as upstream words it. */
export function refusal(attributes: Attributes, decision: Decision): Error {
  const { user, verb, path, group, resource, subresource, namespace, name } = attributes;
  if (path !== undefined) return forbiddenPath(user.name, verb, path);
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  const because = decision.reason === undefined || decision.reason === '' ? '' : `: ${decision.reason}`;
  const why = `User "${user.name}" cannot ${verb} resource "${full}" in API group "${group}" ${where}${because}`;
  return forbidden({ group, resource }, name, why);
}
