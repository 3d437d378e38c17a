/**
 * Acting as somebody else: `Impersonate-*` headers, for whoever may `impersonate` all that they name
 * (https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/). KEP-5284 has narrower rights besides, by what
 * kind of user it is and what is done as them (`impersonation-modes.ts`): these are asked for first.
 */
import { isPlatformError } from '../../../base/errors.ts';
import { goQuote } from '../../api/field-error.ts';
import type { UserInfo } from '../../api/transport.ts';
import { UNSNIFFED } from '../encoding/answer-headers.ts';
import { attributesOf, type Attributes, type Authorizer } from '../authorization/authorizer.ts';
import type { Handler } from '../context.ts';
import { badRequest } from '../failure.ts';
import { isImpersonation } from '../http/http-exchange.ts';
import { LEGACY, MODES, type Impersonated, type Mode, type WantedUser } from './impersonation-modes.ts';

const EXTRA = 'impersonate-extra-';
/** Users whose last way of impersonating is remembered. */
const MAX_REMEMBERED = 10_000;

/** From here on the request is made by whom it says. */
export function actAs(authorizer: Authorizer): Handler {
  const impersonation = new Impersonation(authorizer);
  const asOther: Handler = async (context, next) => {
    const { user, info, request } = context;
    try {
      const wanted = wantedUser(request.headers);
      if (wanted !== undefined) {
        const { user: other, constraint } = await impersonation.as(wanted, attributesOf(user, info));
        context.user = other;
        context.constraint = constraint;
      }
    } catch (error) {
      context.headers = { ...context.headers, ...UNSNIFFED };
      throw error;
    }
    return await next();
  };
  return (context, next) => (asks(context.request.headers) ? asOther(context, next) : next());
}

function asks(headers: Readonly<Record<string, string>>): boolean {
  for (const name in headers) if (isImpersonation(name)) return true;
  return false;
}

class Impersonation {
  readonly #authorizer: Authorizer;
  /** What a user was allowed by last is asked for first: with the old right one question is enough. */
  readonly #last = new Map<string, Mode>();

  constructor(authorizer: Authorizer) {
    this.#authorizer = authorizer;
  }

  /** Whom a request is made as that `asked` is about. Throws `forbidden`. */
  async as(wanted: WantedUser, asked: Attributes): Promise<Impersonated> {
    const requestor = asked.user.name;
    const last = this.#last.get(requestor);
    const modes = [...MODES, LEGACY].filter((mode) => mode.supports(wanted, asked.user));
    const first = modes.filter((mode) => mode === last);
    let refused: unknown;
    for (const mode of new Set([...first, ...modes])) {
      try {
        const impersonated = await mode.check(wanted, asked, this.#authorizer);
        this.#remember(requestor, mode);
        return impersonated;
      } catch (error) {
        if (!isPlatformError(error, 'forbidden')) throw error;
        refused ??= error;
      }
    }
    throw refused;
  }

  #remember(requestor: string, mode: Mode): void {
    if (this.#last.get(requestor) === mode) return;
    this.#last.delete(requestor);
    this.#last.set(requestor, mode);
    const [oldest] = this.#last.keys();
    if (this.#last.size > MAX_REMEMBERED && oldest !== undefined) this.#last.delete(oldest);
  }
}

/** Whom the headers name; values of one header stand in lines of their own. Throws where they name no user. */
function wantedUser(headers: Readonly<Record<string, string>>): WantedUser | undefined {
  const [name = ''] = linesOf(headers['impersonate-user']);
  const [uid = ''] = linesOf(headers['impersonate-uid']);
  const groups = linesOf(headers['impersonate-group']);
  const extra = extraOf(headers);
  if (name !== '') return { name, uid, groups, extra };
  if (uid === '' && groups.length === 0 && Object.keys(extra).length === 0) return undefined;
  const list = (values: readonly string[]): string =>
    `[]string{${values.map((value) => goQuote(value)).join(', ')}}`;
  const keys = Object.keys(extra).toSorted();
  const shown = [
    `Name:"", UID:${goQuote(uid)}`,
    `Groups:${groups.length === 0 ? '[]string(nil)' : list(groups)}`,
    `Extra:map[string][]string${keys.length === 0 ? '(nil)' : `{${keys.map((key) => `${goQuote(key)}:${list(extra[key]!)}`).join(', ')}}`}`,
  ];
  throw badRequest(`requested &user.DefaultInfo{${shown.join(', ')}} without impersonating a user name`);
}

/** Headers are bytes; these are UTF-8. */
function linesOf(header: string | undefined): readonly string[] {
  return header === undefined ? [] : Buffer.from(header, 'latin1').toString('utf8').split('\n');
}

function extraOf(headers: Readonly<Record<string, string>>): NonNullable<UserInfo['extra']> {
  const extra: Record<string, readonly string[]> = Object.create(null) as Record<string, readonly string[]>;
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(EXTRA)) continue;
    const key = unescaped(name.slice(EXTRA.length).toLowerCase());
    extra[key] = [...(extra[key] ?? []), ...linesOf(value)];
  }
  return extra;
}

function unescaped(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    // As it stands.
    return key;
  }
}
