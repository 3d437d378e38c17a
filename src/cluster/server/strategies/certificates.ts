/** A signing request says who asks, is never changed afterwards, and is answered through its two windows. */
import { jsonCopy, objectsAt, type JsonObject, type JsonValue } from '../../api/json.ts';
import type { UserInfo } from '../../api/transport.ts';
import type { KubeObject } from '../object.ts';
import type { Strategy } from '../resource.ts';

export const signingRequestStrategy: Strategy = {
  prepareForCreate(request, { user }) {
    const { username: _1, uid: _2, groups: _3, extra: _4, ...asked } = request.spec ?? {};
    request.spec = { ...asked, ...identity(user) };
    request.status = {};
  },
  prepareForUpdate(request, old) {
    request.spec = jsonCopy(old.spec ?? {});
  },
  prepareForStatus(request, old, endpoint) {
    const sent = conditions(request);
    if (endpoint === 'approval') {
      // An approver answers; the certificate is the signer's.
      request.status = { ...jsonCopy(old.status ?? {}), ...(sent.length > 0 && { conditions: sent }) };
      if (sent.length === 0) delete request.status['conditions'];
    }
    stamp(request, old);
  },
};

function identity(user: UserInfo | undefined): JsonObject {
  if (user === undefined) return {};
  const extra = Object.entries(user.extra ?? {}).map(([key, values]): [string, JsonValue] => [
    key,
    [...values],
  ]);
  return {
    username: user.name,
    ...(user.uid !== undefined && user.uid !== '' && { uid: user.uid }),
    ...(user.groups.length > 0 && { groups: [...user.groups] }),
    ...(extra.length > 0 && { extra: Object.fromEntries(extra) }),
  };
}

function conditions(request: KubeObject): JsonObject[] {
  return objectsAt(request, 'status', 'conditions');
}

/** Conditions carry the time of their last transition; those that were there before keep theirs. */
function stamp(request: KubeObject, old: KubeObject): void {
  for (const condition of conditions(request)) {
    const before = conditions(old).find((item) => item['type'] === condition['type']);
    condition['lastTransitionTime'] ??= before?.['lastTransitionTime'] ?? condition['lastUpdateTime'];
    if (condition['lastTransitionTime'] === undefined) delete condition['lastTransitionTime'];
  }
}
