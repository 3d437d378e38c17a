/**
 * Acting as somebody else: `Impersonate-*` headers, for whoever may `impersonate` all that they name
 * (https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/).
 */
import type { UserInfo } from '../../api/transport.ts';
import type { Attributes, Authorizer } from '../authorization/authorizer.ts';
import { badRequest, forbidden } from '../failure.ts';
import { AUTHENTICATED } from './authenticator.ts';

const PREFIX = 'impersonate-';
const EXTRA = 'impersonate-extra-';
const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;

/** True when a request asks for it. */
export function asksToImpersonate(headers: Readonly<Record<string, string>>): boolean {
  for (const name in headers) if (name.startsWith(PREFIX)) return true;
  return false;
}

/** The user that a request is made as: the asking one without such headers. Throws `forbidden`. */
export async function impersonated(
  user: UserInfo,
  headers: Readonly<Record<string, string>>,
  authorizer: Authorizer,
): Promise<UserInfo> {
  const name = headers['impersonate-user'] ?? '';
  const uid = headers['impersonate-uid'] ?? '';
  const groups = listOf(headers['impersonate-group']);
  const extra = extraOf(headers);
  const asks = groups.length > 0 || uid !== '' || Object.keys(extra).length > 0;
  if (name === '') {
    if (!asks) return user;
    throw badRequest(
      `requested ${JSON.stringify({ groups, extra, uid })} impersonation without impersonating a user`,
    );
  }
  const may = async (asked: Pick<Attributes, 'group' | 'resource'> & Partial<Attributes>): Promise<void> => {
    const attributes: Attributes = {
      user,
      verb: 'impersonate',
      version: 'v1',
      subresource: '',
      namespace: '',
      name: '',
      ...asked,
    };
    const { answer } = await authorizer.decide(attributes);
    if (answer === 'allow') return;
    const { group, resource, subresource, namespace, name: what } = attributes;
    const full = subresource === '' ? resource : `${resource}/${subresource}`;
    const where = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`;
    const why = `User "${user.name}" cannot impersonate resource "${full}" in API group "${group}" ${where}`;
    throw forbidden({ group, resource }, what, why);
  };
  const [, namespace, account] = SERVICE_ACCOUNT.exec(name) ?? [];
  if (namespace !== undefined) {
    await may({ group: '', resource: 'serviceaccounts', namespace, name: account! });
  } else await may({ group: '', resource: 'users', name });
  for (const group of groups) await may({ group: '', resource: 'groups', name: group });
  const authentication = 'authentication.k8s.io';
  for (const [key, values] of Object.entries(extra)) {
    for (const value of values) {
      await may({ group: authentication, resource: 'userextras', subresource: key, name: value });
    }
  }
  if (uid !== '') await may({ group: authentication, resource: 'uids', name: uid });
  const implied =
    namespace === undefined || groups.length > 0
      ? groups
      : ['system:serviceaccounts', `system:serviceaccounts:${namespace}`];
  const anonymous = name === 'system:anonymous';
  const everyone = anonymous ? 'system:unauthenticated' : AUTHENTICATED;
  const all =
    implied.includes('system:unauthenticated') || implied.includes(everyone)
      ? implied
      : [...implied, everyone];
  return { name, groups: all, ...(uid !== '' && { uid }), extra };
}

/** Headers that come several times arrive joined. */
function listOf(header: string | undefined): readonly string[] {
  return header === undefined
    ? []
    : header
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '');
}

function extraOf(headers: Readonly<Record<string, string>>): Readonly<Record<string, readonly string[]>> {
  const extra: Record<string, readonly string[]> = Object.create(null) as Record<string, readonly string[]>;
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(EXTRA)) continue;
    let key = name.slice(EXTRA.length);
    try {
      key = decodeURIComponent(key);
    } catch {
      // As it stands.
    }
    extra[key.toLowerCase()] = listOf(value);
  }
  return extra;
}
