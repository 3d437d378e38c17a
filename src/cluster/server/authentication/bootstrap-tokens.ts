/**
 * Bootstrap tokens: secrets in kube-system with which a new machine introduces itself
 * (https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/).
 */
import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../../base/clock.ts';
import { objectAt, stringAt } from '../../api/json.ts';
import { timeToMs } from '../../api/time.ts';
import type { TokenAuthenticator } from './authenticator.ts';
import type { Lookup } from './service-account-tokens.ts';

const TOKEN = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const GROUP = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

export function bootstrapTokens({ clock, lookup }: { clock: Clock; lookup: Lookup }): TokenAuthenticator {
  return {
    async authenticate(token) {
      const [, id = '', secret = ''] = TOKEN.exec(token) ?? [];
      if (id === '') return undefined;
      const found = await lookup('secrets', 'kube-system', `bootstrap-token-${id}`);
      if (found === undefined || found.metadata.deletionTimestamp !== undefined) return undefined;
      if (stringAt(found, 'type') !== 'bootstrap.kubernetes.io/token') return undefined;
      const data = objectAt(found, 'data');
      const field = (name: string): string => Buffer.from(stringAt(data, name), 'base64').toString('utf8');
      const known = Buffer.from(field('token-secret'));
      const given = Buffer.from(secret);
      if (field('token-id') !== id || known.length !== given.length || !timingSafeEqual(known, given))
        return undefined;
      if (field('usage-bootstrap-authentication') !== 'true') return undefined;
      const expiration = field('expiration');
      if (expiration !== '') {
        const end = timeToMs(expiration);
        if (end === undefined || end <= clock.now()) return undefined;
      }
      const groups = field('auth-extra-groups')
        .split(',')
        .filter((group) => GROUP.test(group));
      return { user: { name: `system:bootstrap:${id}`, groups: ['system:bootstrappers', ...groups] } };
    },
  };
}
