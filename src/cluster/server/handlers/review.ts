/** Questions about oneself: who am I, may I. Nothing is stored. */
import { rfc3339 } from '../../../base/clock.ts';
import { isJsonObject, objectAt, stringAt, type JsonObject } from '../../api/json.ts';
import { kindSchema } from '../../api/schema.ts';
import type { ApiResponse, UserInfo } from '../../api/transport.ts';
import type { Attributes } from '../authorization/authorizer.ts';
import type { RequestContext } from '../context.ts';
import { methodNotAllowed, noSuchPath } from '../failure.ts';
import { decodeBody } from '../request-body.ts';
import { respondWith } from '../respond.ts';

const REVIEWS: Readonly<Record<string, string>> = {
  'authentication.k8s.io/v1/selfsubjectreviews': 'SelfSubjectReview',
  'authorization.k8s.io/v1/selfsubjectaccessreviews': 'SelfSubjectAccessReview',
};

export async function review(context: RequestContext): Promise<ApiResponse> {
  const { info, request, user, server } = context;
  const name = REVIEWS[`${info.group}/${info.version}/${info.resource}`];
  if (name === undefined) throw noSuchPath();
  const on = { group: info.group, resource: info.resource };
  if (info.verb !== 'create') throw methodNotAllowed(on);
  const kind = kindSchema(info.group, info.version, name);
  if (kind === undefined) throw noSuchPath();
  const { object } = await decodeBody(request, kind);
  const metadata = { creationTimestamp: rfc3339(server.clock.now()) };
  const head = { kind: name, apiVersion: `${info.group}/${info.version}`, metadata };
  if (name === 'SelfSubjectReview') {
    const userInfo = {
      username: user.name,
      ...(user.uid !== undefined && { uid: user.uid }),
      groups: user.groups,
    };
    return respondWith({ ...head, status: { userInfo } }, 201);
  }
  const spec: JsonObject = isJsonObject(object['spec']) ? object['spec'] : {};
  const decision = await server.authorizer.decide(askedFor(user, spec));
  const status = {
    allowed: decision.answer === 'allow',
    ...(decision.answer === 'deny' && { denied: true }),
    ...(decision.reason !== undefined && { reason: decision.reason }),
  };
  return respondWith({ ...head, spec, status }, 201);
}

/** ResourceAttributes or NonResourceAttributes (authorization.k8s.io/v1) as what an authorizer is asked. */
function askedFor(user: UserInfo, spec: JsonObject): Attributes {
  const path = objectAt(spec, 'nonResourceAttributes');
  const on = objectAt(spec, 'resourceAttributes');
  const verb = stringAt(on, 'verb') || stringAt(path, 'verb');
  return {
    user,
    verb,
    ...(Object.keys(path).length > 0 && { path: stringAt(path, 'path') }),
    group: stringAt(on, 'group'),
    version: stringAt(on, 'version'),
    resource: stringAt(on, 'resource'),
    subresource: stringAt(on, 'subresource'),
    namespace: stringAt(on, 'namespace'),
    name: stringAt(on, 'name'),
  };
}
