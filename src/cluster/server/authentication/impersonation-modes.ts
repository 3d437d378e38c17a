/**
 * The ways of acting as somebody else (KEP-5284). Each is a right to be somebody, of the verb `impersonate:<mode>`, together
 * with one to do what is asked for as them, `impersonate-on:<mode>:<verb>`; the legacy one is `impersonate` alone.
 */
import { fieldErrorText } from '../../api/field-error.ts';
import type { UserInfo } from '../../api/transport.ts';
import { dns1123Label, dns1123Subdomain } from '../../api/validate/names.ts';
import { domainPrefixedPath } from '../../api/validate/checks.ts';
import { ADMINS } from '../authorization/administrators.ts';
import { refusal, type Attributes, type Authorizer } from '../authorization/authorizer.ts';
import { AUTHENTICATED } from './authenticator.ts';

export interface WantedUser {
  readonly name: string;
  /** Empty when it was not asked for. */
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

export interface Impersonated {
  readonly user: UserInfo;
  /** The verb that has allowed it; absent for the legacy one. */
  readonly constraint?: string;
}

export interface Mode {
  supports(wanted: WantedUser, requestor: UserInfo): boolean;
  /** Throws `forbidden`. */
  check(wanted: WantedUser, asked: Attributes, authorizer: Authorizer): Promise<Impersonated>;
}

const AUTHENTICATION = 'authentication.k8s.io';
const UNAUTHENTICATED = 'system:unauthenticated';
const NODE = 'system:node:';
const ACCOUNT = 'system:serviceaccount:';
/** From here on the right to all of them is asked for before that to each. */
const MANY = 4;

interface Asker {
  readonly requestor: UserInfo;
  readonly verb: string;
  readonly constrained: boolean;
  /** Of users and groups. */
  readonly group: string;
  may(asked: Attributes): Promise<void>;
}

function mode(name: string, supports: Mode['supports'], seen = (asked: Attributes) => asked): Mode {
  const verb = `impersonate:${name}`;
  return {
    supports,
    async check(wanted, asked, authorizer) {
      const may = (about: Attributes): Promise<void> => ask(authorizer, seen(about));
      await may({ ...asked, verb: `impersonate-on:${name}:${asked.verb}` });
      const asker = { requestor: asked.user, verb, constrained: true, group: AUTHENTICATION, may };
      return { user: await allowed(wanted, asker), constraint: verb };
    },
  };
}

export const LEGACY: Mode = {
  supports: () => true,
  async check(wanted, { user: requestor }, authorizer) {
    const may = (about: Attributes): Promise<void> => ask(authorizer, about);
    return {
      user: await allowed(wanted, { requestor, verb: 'impersonate', constrained: false, group: '', may }),
    };
  },
};

/** In the order in which they are tried: the narrowest first. */
export const MODES: readonly Mode[] = [
  mode(
    'associated-node',
    (wanted, { name, extra }) => {
      const node = onlyName(wanted) ? nodeOf(wanted.name) : undefined;
      const own = extra?.['authentication.kubernetes.io/node-name'] ?? [];
      return node !== undefined && accountOf(name) !== undefined && own.length === 1 && own[0] === node;
    },
    // It is a right for all nodes: which one it is says the token, and no rule needs to.
    (asked) => ({
      ...asked,
      name: asked.verb === 'impersonate:associated-node' ? '*' : asked.name,
      user: {
        ...asked.user,
        extra: {
          'authentication.kubernetes.io/associated-node-keys': Object.keys(asked.user.extra ?? {}).toSorted(),
        },
      },
    }),
  ),
  mode('arbitrary-node', (wanted) => onlyName(wanted) && nodeOf(wanted.name) !== undefined),
  mode('serviceaccount', (wanted) => onlyName(wanted) && accountOf(wanted.name) !== undefined),
  mode('user-info', ({ name }) => nodeOf(name) === undefined && accountOf(name) === undefined),
];

function onlyName({ uid, groups, extra }: WantedUser): boolean {
  return uid === '' && groups.length === 0 && Object.keys(extra).length === 0;
}

function nodeOf(user: string): string | undefined {
  const name = user.slice(NODE.length);
  return user.startsWith(NODE) && dns1123Subdomain(name).length === 0 ? name : undefined;
}

function accountOf(user: string): { readonly namespace: string; readonly name: string } | undefined {
  if (!user.startsWith(ACCOUNT)) return undefined;
  const [namespace = '', name = '', more] = user.slice(ACCOUNT.length).split(':');
  const isOne =
    more === undefined && dns1123Label(namespace).length === 0 && dns1123Subdomain(name).length === 0;
  return isOne ? { namespace, name } : undefined;
}

async function allowed(wanted: WantedUser, asker: Asker): Promise<UserInfo> {
  const implied = await checkName(wanted, asker);
  if (wanted.uid !== '') await asker.may(about(asker, { resource: 'uids', name: wanted.uid }));
  await checkGroups(wanted.groups, asker);
  await checkExtra(wanted.extra, asker);
  const everyone =
    wanted.name === 'system:anonymous'
      ? UNAUTHENTICATED
      : implied.includes(UNAUTHENTICATED)
        ? undefined
        : AUTHENTICATED;
  const groups = everyone === undefined || implied.includes(everyone) ? implied : [...implied, everyone];
  return {
    name: wanted.name,
    groups,
    ...(wanted.uid !== '' && { uid: wanted.uid }),
    ...(Object.keys(wanted.extra).length > 0 && { extra: wanted.extra }),
  };
}

/** The groups of that user, which some names stand for. */
async function checkName({ name, groups }: WantedUser, asker: Asker): Promise<readonly string[]> {
  const { group, constrained } = asker;
  const node = constrained ? nodeOf(name) : undefined;
  const account = accountOf(name);
  if (account !== undefined) {
    await asker.may(about(asker, { group, resource: 'serviceaccounts', ...account }));
    return groups.length > 0
      ? groups
      : ['system:serviceaccounts', `system:serviceaccounts:${account.namespace}`];
  }
  const what = node === undefined ? { resource: 'users', name } : { resource: 'nodes', name: node };
  await asker.may(about(asker, { group, ...what }));
  return node === undefined ? groups : ['system:nodes'];
}

async function checkGroups(groups: readonly string[], asker: Asker): Promise<void> {
  const of = (name: string): Attributes => about(asker, { group: asker.group, resource: 'groups', name });
  if (asker.constrained && groups.includes(''))
    throw refused(of(''), 'impersonating the empty string group is not allowed');
  if (asker.constrained && groups.includes(ADMINS))
    throw refused(of(ADMINS), `impersonating the ${ADMINS} group is not allowed`);
  if (asker.constrained && groups.length >= MANY && (await succeeds(asker.may(of('*'))))) return;
  for (const group of groups) await asker.may(of(group));
}

async function checkExtra(extra: WantedUser['extra'], asker: Asker): Promise<void> {
  const of = (subresource: string, name: string): Attributes =>
    about(asker, { resource: 'userextras', subresource, name });
  const pairs = Object.entries(extra).flatMap(([key, values]) =>
    values.map((value) => [key, value] as const),
  );
  if (asker.constrained) {
    const wrong = pairs.map((pair) => extraProblem(pair)).find((why) => why !== undefined);
    if (wrong !== undefined) throw refused(of('', ''), wrong);
    if (pairs.length >= MANY && (await succeeds(asker.may(of('*', '*'))))) return;
  }
  for (const [key, value] of pairs) await asker.may(of(key, value));
}

function extraProblem([key, value]: readonly [string, string]): string | undefined {
  if (key === '') return 'impersonating the empty string key in extra is not allowed';
  const errors = domainPrefixedPath(key, 'extra.key');
  if (errors.length > 0) {
    const texts = errors.map((error) => `${error.field}: ${fieldErrorText(error)}`);
    const list = texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`;
    return `impersonating an invalid key in extra is not allowed: ${list}`;
  }
  if (key !== key.toLowerCase())
    return `impersonating a non-lowercase key in extra is not allowed: ${JSON.stringify(key)}`;
  return value === '' ? 'impersonating the empty string value in extra is not allowed' : undefined;
}

function about(
  { requestor, verb }: Asker,
  asked: Pick<Attributes, 'resource' | 'name'> & Partial<Attributes>,
): Attributes {
  const none = { group: AUTHENTICATION, version: 'v1', subresource: '', namespace: '' };
  return { user: requestor, verb, ...none, ...asked };
}

async function ask(authorizer: Authorizer, asked: Attributes): Promise<void> {
  const { answer, reason, error } = await authorizer.decide(asked);
  if (answer === 'allow') return;
  throw refused(asked, [error, reason].filter((text) => text !== undefined && text !== '').join(': '));
}

function refused(asked: Attributes, reason: string): Error {
  return refusal(asked, { answer: 'deny', reason });
}

async function succeeds(asked: Promise<void>): Promise<boolean> {
  return await asked.then(
    () => true,
    () => false,
  );
}
