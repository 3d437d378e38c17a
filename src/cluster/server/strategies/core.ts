/** What the core group's smaller kinds keep of what is sent. */
import { objectsAt, stringAt } from '../../api/json.ts';
import type { KubeObject } from '../object.ts';
import type { Strategy } from '../resource.ts';

/** Of the secrets that an account mentions only the names count: they are of its namespace. */
function nameSecrets(account: KubeObject): void {
  if (account['secrets'] === undefined) return;
  account['secrets'] = objectsAt(account, 'secrets').map((secret) => {
    const name = stringAt(secret, 'name');
    return name === '' ? {} : { name };
  });
}

export const serviceAccountStrategy: Strategy = {
  prepareForCreate: nameSecrets,
  prepareForUpdate: nameSecrets,
};

/** The only kind that gets a name when nobody gives it one. */
export const limitRangeStrategy: Strategy = {
  prepareForCreate({ metadata }) {
    if ((metadata.name ?? '') === '' && metadata.uid !== undefined) metadata.name = metadata.uid;
  },
};

/** A kubelet's configuration in an object is no longer anybody's; only nodes that have one keep it. */
export const nodeStrategy: Strategy = {
  prepareForCreate(node) {
    delete node.spec?.['configSource'];
    delete node.status?.['config'];
  },
  prepareForUpdate(node, old) {
    if (old.spec?.['configSource'] === undefined) delete node.spec?.['configSource'];
  },
  prepareForStatus(node, old) {
    if (old.status?.['config'] === undefined) delete node.status?.['config'];
  },
};
