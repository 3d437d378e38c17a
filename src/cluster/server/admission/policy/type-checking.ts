/** What is wrong with a policy's expressions for the kinds that it names: said in its status, and no more than a warning. */
import { errorMessage, isPlatformError } from '../../../../base/errors.ts';
import { listAt, objectAt, objectsAt, type JsonObject } from '../../../api/json.ts';
import type { ServerParts } from '../../context.ts';
import type { Resource } from '../../resource.ts';
import { answered } from './ask.ts';
import type { Typed } from './typed.ts';
import type { Subject } from './variables.ts';

/** More kinds than this are not looked at, as upstream. */
const MAX_KINDS = 10;

export async function checkTypes(parts: ServerParts, name: string): Promise<void> {
  const policies = parts.resources.find('admissionregistration.k8s.io', 'v1', 'validatingadmissionpolicies');
  if (policies === undefined) return;
  try {
    await parts.registry.modify(
      policies,
      { namespace: '', name },
      {
        async change(policy) {
          const { generation } = policy.metadata;
          if (generation === undefined || policy.status?.['observedGeneration'] === generation)
            return { type: 'keep' };
          const question = { about: 'types' as const, ...typedOf(parts, objectAt(policy, 'spec')) };
          const expressionWarnings = [...(await answered(parts, { question, subject: NOTHING }))];
          const typeChecking = expressionWarnings.length === 0 ? {} : { expressionWarnings };
          const status = { ...policy.status, observedGeneration: generation, typeChecking };
          return { type: 'put', object: { ...policy, status } };
        },
      },
    );
  } catch (error) {
    if (isPlatformError(error, 'not-found')) return;
    parts.log.warn('cannot say what is wrong with a policy', { name, error: errorMessage(error) });
  }
}

function typedOf(parts: ServerParts, spec: JsonObject): Typed {
  const params = objectAt(spec, 'paramKind');
  const param = parts.resources.all.find(
    ({ apiVersion, kind }) => apiVersion === params['apiVersion'] && kind === params['kind'],
  );
  const kinds = kindsOf(parts, spec).slice(0, MAX_KINDS).map(kindOf);
  return { spec, kinds, ...(param !== undefined && { param: kindOf(param) }) };
}

function kindOf({ group, version, kind, declaration: { openApi } }: Resource): Typed['kinds'][number] {
  return { group, version, kind, ...(openApi !== undefined && { schema: openApi() }) };
}

/** Those that rules name one by one. */
function kindsOf({ resources }: ServerParts, spec: JsonObject): readonly Resource[] {
  const found = new Set<Resource>();
  for (const rule of objectsAt(spec, 'matchConstraints', 'resourceRules')) {
    for (const group of listAt(rule, 'apiGroups') as string[]) {
      for (const version of listAt(rule, 'apiVersions') as string[]) {
        for (const name of listAt(rule, 'resources') as string[]) {
          const resource = resources.find(group, version, name);
          if (resource !== undefined) found.add(resource);
        }
      }
    }
  }
  return [...found];
}

/** Expressions that are not evaluated have nothing to look at. */
const NOTHING: Subject = {
  object: null,
  oldObject: null,
  request: {},
  namespaceObject: null,
  user: { name: '', groups: [] },
  place: { group: '', version: '', resource: '', subresource: '', namespace: '', name: '' },
};
