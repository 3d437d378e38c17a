/** What expressions of policies and match conditions know of a request. */
import { fromJson } from '../../../api/cel/json-values.ts';
import { DYN, type CelType } from '../../../api/cel/types.ts';
import type { Value } from '../../../api/cel/values.ts';
import type { JsonObject, JsonValue } from '../../../api/json.ts';
import type { UserInfo } from '../../../api/transport.ts';
import { uuid } from '../../../../base/random.ts';
import type { Resource } from '../../resource.ts';
import type { AdmissionRequest } from '../admission.ts';
import { objectNamed } from '../lookup.ts';
import { inVersion } from '../matching/equivalent.ts';
import { reviewRequest } from '../matching/review-request.ts';
import type { Attributes } from '../../authorization/authorizer.ts';
import { Authorization, type Decide } from './authorizer.ts';

export const VARIABLES: ReadonlyMap<string, CelType> = new Map<string, CelType>([
  ['object', DYN],
  ['oldObject', DYN],
  ['request', DYN],
  ['namespaceObject', DYN],
  ['authorizer', { kind: 'opaque', name: 'kubernetes.authorization.Authorizer' }],
  // A dotted name of its own: the authorizer has no fields.
  ['authorizer.requestResource', { kind: 'opaque', name: 'kubernetes.authorization.ResourceCheck' }],
]);

/** What expressions may ask of a request: JSON, so that another thread can be told. */
export interface Subject {
  readonly object: JsonValue;
  readonly oldObject: JsonValue;
  readonly request: JsonObject;
  readonly namespaceObject: JsonValue;
  readonly user: UserInfo;
  /** What was asked for. */
  readonly place: Pick<Attributes, 'group' | 'version' | 'resource' | 'subresource' | 'namespace' | 'name'>;
}

/** Of the request in the version that has matched; made when it is asked for. */
export async function subjectOf(request: AdmissionRequest, as: Resource): Promise<Subject> {
  const { server, user, resource: asked, subresource, namespace, name } = request;
  const { group, version, resource } = asked;
  return {
    object: (request.object && (await inVersion(request, request.object, as))) ?? null,
    oldObject: (request.old && (await inVersion(request, request.old, as))) ?? null,
    get request() {
      const uid = uuid(server.random);
      const { object: _object, oldObject: _old, ...rest } = reviewRequest(request, { resource: as, uid });
      return { name: '', namespace: '', subResource: '', requestSubResource: '', ...rest };
    },
    get namespaceObject() {
      if (namespace === '') return null;
      return objectNamed(server, ['', 'v1', 'namespaces'], { name: namespace }) ?? null;
    },
    user,
    place: { group, version, resource, subresource, namespace, name },
  };
}

/** Values of variables. */
export type Facts = (name: string) => Value | undefined;

export function factsOf(subject: Subject, decide: Decide): Facts {
  const authorization = new Authorization(subject, decide);
  const made = new Map<string, Value>();
  const make = (name: string): Value | undefined => {
    switch (name) {
      case 'object':
      case 'oldObject':
      case 'request':
      case 'namespaceObject':
        return fromJson(subject[name]);
      case 'authorizer':
        return authorization.root;
      case 'authorizer.requestResource':
        return authorization.resource;
      default:
        return undefined;
    }
  };
  return (name) => {
    if (!made.has(name)) {
      const value = make(name);
      if (value === undefined) return undefined;
      made.set(name, value);
    }
    return made.get(name);
  };
}
