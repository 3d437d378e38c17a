/** A request as admission.k8s.io/v1 tells it: to webhooks as JSON, to policies as the variable `request`. */
import type { JsonObject } from '../../../api/json.ts';
import type { UserInfo } from '../../../api/transport.ts';
import type { KubeObject } from '../../object.ts';
import type { Resource } from '../../resource.ts';
import type { AdmissionRequest } from '../admission.ts';

/** The kind that the request's object is of: that of the subresource where it has one of its own. */
export function kindOf(resource: Resource, subresource: string): JsonObject {
  const own = resource.declaration.subresources.find(({ name }) => name === subresource)?.kind;
  const { group, version, kind } = own ?? resource;
  return { group, version, kind };
}

/** As the resource that it has matched, which may be another version of what was asked for. */
export function reviewRequest(
  request: AdmissionRequest,
  as: {
    readonly resource: Resource;
    readonly uid: string;
    readonly object?: KubeObject | undefined;
    readonly old?: KubeObject | undefined;
  },
): JsonObject {
  const { resource, subresource, name, namespace, operation, user, dryRun, options } = request;
  // A namespace that is there is in itself.
  const itself = resource.group === '' && resource.resource === 'namespaces' && operation !== 'CREATE';
  const where = itself ? name : namespace;
  return {
    uid: as.uid,
    kind: kindOf(as.resource, subresource),
    resource: { group: as.resource.group, version: as.resource.version, resource: as.resource.resource },
    ...(subresource !== '' && { subResource: subresource }),
    requestKind: kindOf(resource, subresource),
    requestResource: { group: resource.group, version: resource.version, resource: resource.resource },
    ...(subresource !== '' && { requestSubResource: subresource }),
    ...(name !== '' && { name }),
    ...(where !== '' && { namespace: where }),
    operation,
    userInfo: userInfoOf(user),
    object: as.object ?? null,
    oldObject: as.old ?? null,
    dryRun,
    options: (options ?? null) as JsonObject | null,
  };
}

export function userInfoOf({ name, groups, uid, extra }: UserInfo): JsonObject {
  return {
    username: name,
    ...(uid !== undefined && { uid }),
    groups: [...groups],
    ...(extra !== undefined && {
      extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])),
    }),
  };
}
