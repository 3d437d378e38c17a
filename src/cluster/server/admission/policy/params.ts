/** What a binding gives to its policy as `params`. */
import { objectAt, stringAt, type JsonObject } from '../../../api/json.ts';
import { selectorFromObject } from '../../../api/selector.ts';
import type { KubeObject } from '../../object.ts';
import { shownAs, type Resource } from '../../resource.ts';
import { keyOf } from '../../resource-table.ts';
import type { AdmissionRequest } from '../admission.ts';
import type { Binding, Policy } from './policies.ts';

/** The policy is as good as failed: its failure policy says what follows. */
export class PolicyFailure extends Error {}

/** One evaluation for each; `undefined` where the policy has no parameters. Empty: the binding says nothing. */
export async function paramsOf(
  request: AdmissionRequest,
  { paramKind }: Policy,
  { param }: Binding,
): Promise<readonly (KubeObject | undefined)[]> {
  if (paramKind === undefined || param === undefined) return [undefined];
  const { server } = request;
  const resource = server.resources.all.find(
    ({ apiVersion, kind }) => apiVersion === paramKind.apiVersion && kind === paramKind.kind,
  );
  if (resource === undefined) {
    const what = `${paramKind.apiVersion}, Kind=${paramKind.kind}`;
    throw new PolicyFailure(`failed to find resource referenced by paramKind: '${what}'`);
  }
  const found = await Promise.all(select(request, resource, param).map((one) => shownAs(resource, one)));
  if (found.length > 0) return found;
  if (stringAt(param, 'parameterNotFoundAction') === 'Allow') return [];
  throw new PolicyFailure(
    'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction',
  );
}

function select(
  { server, namespace: requested }: AdmissionRequest,
  resource: Resource,
  param: JsonObject,
): KubeObject[] {
  const given = stringAt(param, 'namespace');
  const name = stringAt(param, 'name');
  const namespace = resource.namespaced ? given || requested : '';
  if (!resource.namespaced && given !== '') {
    throw new PolicyFailure('paramRef.namespace must not be provided for a cluster-scoped `paramKind`');
  }
  if (resource.namespaced && namespace === '') {
    throw new PolicyFailure(
      'cannot use namespaced paramRef in policy binding that matches cluster-scoped resources',
    );
  }
  const cache = server.cache.resource(resource.prefix);
  if (name !== '') {
    const found = cache.get(keyOf(resource, namespace, name));
    return found === undefined ? [] : [found.object];
  }
  const selector = selectorFromObject(objectAt(param, 'selector'));
  const prefix = namespace === '' ? resource.prefix : `${resource.prefix}${namespace}/`;
  return cache
    .list(prefix)
    .map(({ object }) => object)
    .filter(({ metadata }) => selector.matches(metadata.labels));
}
