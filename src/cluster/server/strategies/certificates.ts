/** A signing request says who asks, is never changed afterwards, and is answered through its two windows. */
import { jsonCopy, objectsAt, type JsonObject, type JsonValue } from '../../api/json.ts';
import type { UserInfo } from '../../api/transport.ts';
import type { KubeObject } from '../object.ts';
import type { Strategy } from '../resource.ts';

export const signingRequestStrategy: Strategy = {
  unowned: {
    '': [['spec'], ['status']],
    status: [['spec'], ['status', 'conditions']],
    approval: [['spec'], ['status', 'certificate']],
  },
  prepareForCreate(request, { user }) {
    const { username: _1, uid: _2, groups: _3, extra: _4, ...asked } = request.spec ?? {};
    request.spec = { ...asked, ...identity(user) };
    request.status = {};
  },
  prepareForUpdate(request, old) {
    request.spec = jsonCopy(old.spec ?? {});
  },
  prepareForStatus(request, old, { endpoint, now }) {
    const sent = conditions(request);
    if (endpoint === 'approval') {
      // An approver answers; the certificate is the signer's.
      request.status = { ...jsonCopy(old.status ?? {}), ...(sent.length > 0 && { conditions: sent }) };
      if (sent.length === 0) delete request.status['conditions'];
    } else for (const type of ['Approved', 'Denied']) preserve(request, old, type);
    stamp(request, old, now);
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
  return [...objectsAt(request, 'status', 'conditions')];
}

/** Answers are not the signer's: as long as there are as many, they stay what they were. */
function preserve(request: KubeObject, old: KubeObject, type: string): void {
  const before = conditions(old).filter((condition) => condition['type'] === type);
  const all = conditions(request);
  if (before.length === 0 || all.filter((condition) => condition['type'] === type).length !== before.length) {
    return;
  }
  const kept = all.map((condition) =>
    condition['type'] === type ? jsonCopy(before.shift() ?? {}) : condition,
  );
  request.status = { ...request.status, conditions: kept };
}

/** Conditions carry the times of their last write and of their last transition; one that stays keeps the latter. */
function stamp(request: KubeObject, old: KubeObject, now: string): void {
  for (const condition of conditions(request)) {
    const same = conditions(old).find(
      (item) =>
        item['type'] === condition['type'] &&
        item['status'] === condition['status'] &&
        item['lastTransitionTime'] !== undefined,
    );
    condition['lastUpdateTime'] ??= now;
    condition['lastTransitionTime'] ??= same?.['lastTransitionTime'] ?? condition['lastUpdateTime'];
  }
}
