/** What expressions of policies and match conditions know of a request. */
import { fromJson } from '../../../api/cel/json-values.ts';
import { DYN, type CelType } from '../../../api/cel/types.ts';
import type { Value } from '../../../api/cel/values.ts';
import { uuid } from '../../../../base/random.ts';
import type { Resource } from '../../resource.ts';
import type { AdmissionRequest } from '../admission.ts';
import { objectNamed } from '../lookup.ts';
import { inVersion } from '../matching/equivalent.ts';
import { reviewRequest } from '../matching/review-request.ts';
import { Authorization } from './authorizer.ts';

export const VARIABLES: ReadonlyMap<string, CelType> = new Map<string, CelType>([
  ['object', DYN],
  ['oldObject', DYN],
  ['request', DYN],
  ['namespaceObject', DYN],
  ['authorizer', { kind: 'opaque', name: 'kubernetes.authorization.Authorizer' }],
  // A dotted name of its own: the authorizer has no fields.
  ['authorizer.requestResource', { kind: 'opaque', name: 'kubernetes.authorization.ResourceCheck' }],
]);

export interface Facts {
  readonly authorization: Authorization;
  readonly find: (name: string) => Value | undefined;
}

/** Of the request in the version that has matched. */
export async function factsOf(request: AdmissionRequest, as: Resource): Promise<Facts> {
  const object = request.object && (await inVersion(request, request.object, as));
  const old = request.old && (await inVersion(request, request.old, as));
  const authorization = new Authorization(request);
  const made = new Map<string, Value>();
  const make = (name: string): Value | undefined => {
    switch (name) {
      case 'object':
        return object === undefined ? null : fromJson(object);
      case 'oldObject':
        return old === undefined ? null : fromJson(old);
      case 'request': {
        const {
          object: _object,
          oldObject: _old,
          ...rest
        } = reviewRequest(request, {
          resource: as,
          uid: uuid(request.server.random),
        });
        return fromJson({ name: '', namespace: '', subResource: '', requestSubResource: '', ...rest });
      }
      case 'namespaceObject': {
        const space =
          request.namespace === ''
            ? undefined
            : objectNamed(request.server, ['', 'v1', 'namespaces'], { name: request.namespace });
        return space === undefined ? null : fromJson(space);
      }
      case 'authorizer':
        return authorization.root;
      case 'authorizer.requestResource':
        return authorization.resource;
      default:
        return undefined;
    }
  };
  return {
    authorization,
    find(name) {
      if (!made.has(name)) {
        const value = make(name);
        if (value === undefined) return undefined;
        made.set(name, value);
      }
      return made.get(name);
    },
  };
}
