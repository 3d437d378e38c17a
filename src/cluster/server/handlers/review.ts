/** Questions about users: who am I, may I, may they. Nothing is stored. */
import { rfc3339 } from '../../../base/clock.ts';
import { listAt, objectAt, stringAt, type JsonObject } from '../../api/json.ts';
import { recordUpdate } from '../../api/managed-fields/managed-fields.ts';
import type { ApiResponse, UserInfo } from '../../api/transport.ts';
import type { KnownRules } from '../authorization/authorizer.ts';
import type { ResourceContext } from '../context.ts';
import { authorOf } from '../writes/authorship.ts';
import { badRequest, invalidObject, methodNotAllowed } from '../failure.ts';
import type { KubeObject } from '../object.ts';
import { checkUnknown, decodeBody } from '../encoding/request-body.ts';
import { jsonResponse, warningHeader } from '../encoding/respond.ts';
import { askedFor, reviewProblems, unreadSelectors } from './review-attributes.ts';
import { reviewToken } from './token.ts';
import { toBytes } from '../encoding/view.ts';
import { otherNamespace, SYSTEM_FIELDS } from '../writes/writing.ts';
import { viewOf } from './read.ts';

const NOTHING_KNOWN: KnownRules = { rules: [], incomplete: false };

type Answer = (context: ResourceContext, asked: KubeObject) => JsonObject | Promise<JsonObject>;

const ANSWERS: Readonly<Record<string, Answer>> = {
  SelfSubjectReview: ({ user }) => ({ userInfo: userInfoOf(user) }),
  TokenReview: (context, { spec = {} }) => reviewToken(context, spec),
  SelfSubjectAccessReview: (context, asked) => access(context, asked, context.user),
  SubjectAccessReview: (context, asked) => access(context, asked),
  LocalSubjectAccessReview: (context, asked) => access(context, asked),
  SelfSubjectRulesReview: ({ server, user }, { spec = {} }) => {
    const namespace = stringAt(spec, 'namespace');
    if (namespace === '') throw badRequest('no namespace on request');
    const { rules, incomplete, error } = server.authorizer.rulesFor?.(user, namespace) ?? NOTHING_KNOWN;
    return {
      resourceRules: rules
        .filter(({ resources }) => resources.length > 0)
        .map(({ verbs, apiGroups, resources, resourceNames }) => ({
          verbs: [...verbs],
          apiGroups: [...apiGroups],
          resources: [...resources],
          ...(resourceNames.length > 0 && { resourceNames: [...resourceNames] }),
        })),
      nonResourceRules: rules
        .filter(({ nonResourceURLs }) => nonResourceURLs.length > 0)
        .map(({ verbs, nonResourceURLs }) => ({ verbs: [...verbs], nonResourceURLs: [...nonResourceURLs] })),
      incomplete,
      ...(error !== undefined && { evaluationError: error }),
    };
  },
};

export async function review(context: ResourceContext): Promise<ApiResponse> {
  const { info, request, server, resource } = context;
  const answer = ANSWERS[resource.kind];
  if (info.verb !== 'create' || answer === undefined) throw methodNotAllowed();
  // Before it is answered: reviews have no table.
  viewOf(context);
  const { object, unknown } = await decodeBody(request, resource.type);
  const warnings = checkUnknown(unknown, resource.type, info.query);
  const { kind, apiVersion } = resource;
  const asked = { ...object, kind, apiVersion } as KubeObject;
  place(context, asked);
  recordUpdate(undefined, asked, authorOf(context));
  const status = await answer(context, asked);
  const body = toBytes({ ...answered(asked, rfc3339(server.clock.now())), status });
  return jsonResponse(201, body, warningHeader(warnings));
}

/** What is asked of oneself is answered with an object of its own, anything else with what was sent. */
function answered(asked: KubeObject, now: string): JsonObject {
  const { kind, apiVersion } = asked;
  if (kind === 'SelfSubjectReview') return { kind, apiVersion, metadata: { creationTimestamp: now } };
  if (kind === 'SelfSubjectRulesReview') return { kind, apiVersion, metadata: {}, spec: {} };
  return { ...asked };
}

function place({ resource, info }: ResourceContext, asked: KubeObject): void {
  const metadata = (asked.metadata ??= {});
  for (const field of [...SYSTEM_FIELDS, 'managedFields']) delete metadata[field];
  if (!resource.namespaced) delete metadata.namespace;
  else if ((metadata.namespace ?? '') === '') metadata.namespace = info.namespace;
  else if (metadata.namespace !== info.namespace) throw otherNamespace();
}

function userInfoOf({ name, uid, groups, extra }: UserInfo): JsonObject {
  return {
    username: name,
    ...(uid !== undefined && { uid }),
    groups: [...groups],
    ...(extra !== undefined && {
      extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])),
    }),
  };
}

function subjectOf(spec: JsonObject): UserInfo {
  const uid = stringAt(spec, 'uid');
  return {
    name: stringAt(spec, 'user'),
    groups: listAt(spec, 'groups') as string[],
    ...(uid !== '' && { uid }),
    extra: objectAt(spec, 'extra') as Record<string, string[]>,
  };
}

/** `user`: who asks, where it is about nobody else. */
async function access(
  { server, resource }: ResourceContext,
  asked: KubeObject,
  user?: UserInfo,
): Promise<JsonObject> {
  const problems = reviewProblems(asked);
  // Upstream names no kind here.
  if (problems.length > 0) throw invalidObject({ group: resource.group, kind: '', name: '' }, problems);
  const { spec = {} } = asked;
  const { answer, reason, error } = await server.authorizer.decide(askedFor(user ?? subjectOf(spec), spec));
  const errors = [...(error === undefined ? [] : [error]), ...unreadSelectors(spec)];
  return {
    allowed: answer === 'allow',
    ...(answer === 'deny' && { denied: true }),
    ...(reason !== undefined && reason !== '' && { reason }),
    ...(errors.length > 0 && { evaluationError: errors.join('; ') }),
  };
}
