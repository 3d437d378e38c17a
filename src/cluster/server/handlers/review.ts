/** Questions about users: who am I, may I, may they. Nothing is stored. */
import { rfc3339 } from '../../../base/clock.ts';
import { invalid, fieldErrorsError, required } from '../../api/field-error.ts';
import { listAt, objectAt, stringAt, type JsonObject } from '../../api/json.ts';
import type { ApiResponse, UserInfo } from '../../api/transport.ts';
import type { KnownRules } from '../authorization/authorizer.ts';
import type { ResourceContext } from '../context.ts';
import { methodNotAllowed } from '../failure.ts';
import { checkUnknown, decodeBody } from '../request-body.ts';
import { jsonResponse, warningHeader } from '../respond.ts';
import { askedFor, attributeProblems } from './review-attributes.ts';
import { reviewToken } from './token.ts';
import { toBytes } from '../view.ts';
import { viewOf } from './read.ts';

const NOTHING_KNOWN: KnownRules = { rules: [], incomplete: false };

type Answer = (context: ResourceContext, spec: JsonObject) => JsonObject | Promise<JsonObject>;

const ANSWERS: Readonly<Record<string, Answer>> = {
  SelfSubjectReview: ({ user }) => ({ userInfo: userInfoOf(user) }),
  TokenReview: (context, spec) => reviewToken(context, spec),
  SelfSubjectAccessReview: (context, spec) => access(context, context.user, spec),
  SubjectAccessReview: (context, spec) => access(context, subjectOf(spec), spec),
  LocalSubjectAccessReview: (context, spec) => {
    const { namespace } = context.info;
    const asked = stringAt(spec, 'resourceAttributes', 'namespace');
    if (asked !== namespace) {
      const field = 'spec.resourceAttributes.namespace';
      throw fieldErrorsError([invalid(field, asked, `must match metadata.namespace: ${namespace}`)]);
    }
    return access(context, subjectOf(spec), spec);
  },
  SelfSubjectRulesReview: ({ server, user }, spec) => {
    const namespace = stringAt(spec, 'namespace');
    if (namespace === '') throw fieldErrorsError([required('spec.namespace', 'no namespace on request')]);
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
  const spec = objectAt(object, 'spec');
  const status = await answer(context, spec);
  const metadata = {
    ...(resource.namespaced && { namespace: info.namespace }),
    creationTimestamp: kind === 'SelfSubjectReview' ? rfc3339(server.clock.now()) : null,
  };
  const shown = kind === 'SelfSubjectReview' ? {} : { spec };
  const body = toBytes({ kind, apiVersion, metadata, ...shown, status });
  return jsonResponse(201, body, warningHeader(warnings));
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
  const name = stringAt(spec, 'user');
  const groups = listAt(spec, 'groups') as string[];
  if (name === '' && groups.length === 0) {
    throw fieldErrorsError([invalid('spec.user', '', 'at least one of user or group must be specified')]);
  }
  const uid = stringAt(spec, 'uid');
  const extra = objectAt(spec, 'extra') as Record<string, string[]>;
  return { name, groups, ...(uid !== '' && { uid }), extra };
}

async function access({ server }: ResourceContext, user: UserInfo, spec: JsonObject): Promise<JsonObject> {
  const problems = attributeProblems(spec);
  if (problems.length > 0) throw fieldErrorsError(problems);
  const { answer, reason, error } = await server.authorizer.decide(askedFor(user, spec));
  return {
    allowed: answer === 'allow',
    ...(answer === 'deny' && { denied: true }),
    ...(reason !== undefined && reason !== '' && { reason }),
    ...(error !== undefined && { evaluationError: error }),
  };
}
