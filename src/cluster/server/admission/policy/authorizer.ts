/**
 * The variable `authorizer` (https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-authorizer-library). Deciding may
 * take time, evaluating may not: an expression that needs a decision is stopped, and evaluated again when it is there.
 */
import { isPlatformError } from '../../../../base/errors.ts';
import { method, type Overload } from '../../../api/cel/functions.ts';
import { exactly, LIST_COST, STRUCT_COST, times, traversal, type Size } from '../../../api/cel/sizes.ts';
import { BOOL, opaque, STRING } from '../../../api/cel/types.ts';
import { CelError } from '../../../api/cel/program.ts';
import { parseLabelSelector } from '../../../api/label-selector-text.ts';
import { parseFieldSelector } from '../../../api/selector.ts';
import type { Opaque } from '../../../api/cel/values.ts';
import type { UserInfo } from '../../../api/transport.ts';
import type { Attributes, Decision } from '../../authorization/authorizer.ts';
import type { Subject } from './variables.ts';

const PREFIX = 'kubernetes.authorization.';
const AUTHORIZER = opaque(`${PREFIX}Authorizer`);
const PATH_CHECK = opaque(`${PREFIX}PathCheck`);
const GROUP_CHECK = opaque(`${PREFIX}GroupCheck`);
const RESOURCE_CHECK = opaque(`${PREFIX}ResourceCheck`);
const DECISION = opaque(`${PREFIX}Decision`);

/** What is asked for so far; checks are made of checks, each knows one thing more. */
class Question implements Opaque {
  readonly opaque: string;
  readonly of: Authorization;
  readonly user: UserInfo;
  readonly attributes: Omit<Attributes, 'user' | 'verb'>;

  constructor(
    name: string,
    of: Authorization,
    about: { user: UserInfo; attributes: Question['attributes'] },
  ) {
    this.opaque = `${PREFIX}${name}`;
    this.of = of;
    this.user = about.user;
    this.attributes = about.attributes;
  }

  with(name: string, more: Partial<Question['attributes']>): Question {
    return new Question(name, this.of, { user: this.user, attributes: { ...this.attributes, ...more } });
  }

  equals(other: Opaque): boolean {
    return other === this;
  }

  check(verb: string): Opaque {
    return this.of.decided({ user: this.user, verb, ...this.attributes });
  }
}

class Decided implements Opaque {
  readonly opaque = `${PREFIX}Decision`;
  readonly decision: Decision;
  readonly failure: string;

  constructor(decision: Decision, failure: string) {
    this.decision = decision;
    this.failure = failure;
  }

  equals(other: Opaque): boolean {
    return other === this;
  }
}

/** Thrown through an evaluation that has to wait. */
export class Pending extends Error {
  readonly settled: Promise<void>;

  constructor(settled: Promise<void>) {
    super('a decision is not there yet');
    this.settled = settled;
  }
}

const NOTHING = { group: '', version: '*', resource: '', subresource: '', namespace: '', name: '' };

export type Decide = (attributes: Attributes) => Decision | Promise<Decision>;

/** The questions of one request. */
export class Authorization {
  readonly root: Opaque;
  /** For `authorizer.requestResource`. */
  readonly resource: Opaque;
  readonly #decide: Decide;
  readonly #decisions = new Map<string, Decided>();

  constructor({ user, place }: Pick<Subject, 'user' | 'place'>, decide: Decide) {
    this.#decide = decide;
    const asked = new Question('Authorizer', this, { user, attributes: NOTHING });
    this.root = asked;
    this.resource = asked.with('ResourceCheck', place);
  }

  decided(attributes: Attributes): Decided {
    const key = JSON.stringify(attributes);
    const found = this.#decisions.get(key);
    if (found !== undefined) return found;
    throw new Pending(this.#settle(key, attributes));
  }

  async #settle(key: string, attributes: Attributes): Promise<void> {
    try {
      const decision = await this.#decide(attributes);
      this.#decisions.set(key, new Decided(decision, ''));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#decisions.set(key, new Decided({ answer: 'abstain' }, why));
    }
  }
}

function accountOf(namespace: string, name: string): UserInfo {
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'];
  return { name: `system:serviceaccount:${namespace}:${name}`, groups };
}

/** With a selector; one that cannot be read narrows nothing. */
function narrowed(asked: Question, read: () => Partial<Question['attributes']>): Question {
  try {
    return asked.with('ResourceCheck', read());
  } catch (error) {
    if (isPlatformError(error)) return asked;
    throw error;
  }
}

/** A requirement takes two characters at least, and is kept with its values. */
const selecting = {
  cost: (_asked: Size, text: Size): number =>
    LIST_COST + traversal(text) + times(exactly(times(text, 0.5)), LIST_COST + STRUCT_COST),
};

/** A check is as dear as looking at a large object. */
const dear = { cost: (): number => 350_000 };

export const authorizationFunctions: readonly Overload[] = [
  method(AUTHORIZER, 'path', [STRING], PATH_CHECK, (asked: Question, path: string) => {
    if (path === '') throw new CelError('path must not be empty');
    return asked.with('PathCheck', { path });
  }),
  method(AUTHORIZER, 'group', [STRING], GROUP_CHECK, (asked: Question, group: string) =>
    asked.with('GroupCheck', { group }),
  ),
  method(
    AUTHORIZER,
    'serviceAccount',
    [STRING, STRING],
    AUTHORIZER,
    (asked: Question, space: string, name: string) =>
      new Question('Authorizer', asked.of, { user: accountOf(space, name), attributes: asked.attributes }),
  ),
  method(GROUP_CHECK, 'resource', [STRING], RESOURCE_CHECK, (asked: Question, resource: string) =>
    asked.with('ResourceCheck', { resource }),
  ),
  method(RESOURCE_CHECK, 'subresource', [STRING], RESOURCE_CHECK, (asked: Question, subresource: string) =>
    asked.with('ResourceCheck', { subresource }),
  ),
  method(RESOURCE_CHECK, 'namespace', [STRING], RESOURCE_CHECK, (asked: Question, namespace: string) =>
    asked.with('ResourceCheck', { namespace }),
  ),
  method(RESOURCE_CHECK, 'name', [STRING], RESOURCE_CHECK, (asked: Question, name: string) =>
    asked.with('ResourceCheck', { name }),
  ),
  method(
    RESOURCE_CHECK,
    'fieldSelector',
    [STRING],
    RESOURCE_CHECK,
    (asked: Question, text: string) => narrowed(asked, () => ({ fieldSelector: parseFieldSelector(text) })),
    selecting,
  ),
  method(
    RESOURCE_CHECK,
    'labelSelector',
    [STRING],
    RESOURCE_CHECK,
    (asked: Question, text: string) =>
      narrowed(asked, () => ({ labelSelector: parseLabelSelector(text).requirements })),
    selecting,
  ),
  method(
    RESOURCE_CHECK,
    'check',
    [STRING],
    DECISION,
    (asked: Question, verb: string) => asked.check(verb),
    dear,
  ),
  method(PATH_CHECK, 'check', [STRING], DECISION, (asked: Question, verb: string) => asked.check(verb), dear),
  method(DECISION, 'allowed', [], BOOL, ({ decision }: Decided) => decision.answer === 'allow'),
  method(DECISION, 'reason', [], STRING, ({ decision }: Decided) => decision.reason ?? ''),
  method(DECISION, 'errored', [], BOOL, ({ failure }: Decided) => failure !== ''),
  method(DECISION, 'error', [], STRING, ({ failure }: Decided) => failure),
];
