import type { SeccompConfig } from '../../spec/runtime-config.ts';
import { alwaysTrue, type Condition, type Width } from './conditions.ts';
import { multiplexedCalls, throughMultiplexer } from './multiplexed.ts';
import { orderConflicting } from './rule-order.ts';
import { NO_CALL, type SyscallArch, syscallCount, syscallIndex, syscallTable } from './syscall-numbers.ts';
import { type Action, type Operator, returnValue } from './vocabulary.ts';

type Rule = NonNullable<SeccompConfig['syscalls']>[number];

/** One way in which a call matches: all conditions hold. */
export interface Alternative {
  /** The same conditions and answer have the same identity: their code is shared. */
  readonly id: string;
  /** The place of its rule in the profile. */
  readonly rule: number;
  /** What the filter answers. */
  readonly answer: number;
  /** By argument. */
  readonly conditions: readonly Condition[];
}

/** A call that is answered by the first alternative that matches, and as the profile does by default if none does. */
export interface Conditional {
  /** Equal for those that mean the same. */
  readonly key: string;
  readonly width: Width;
  readonly alternatives: readonly Alternative[];
}

/** What a call is answered, whatever its arguments are or by them. */
export type Verdict = number | Conditional;

/** A profile's rules by call, the same for all ABIs; a call is its place in the tables of numbers. */
export interface ProfileRules {
  /** What has a rule, if only one that says what the default says. */
  readonly named: Uint8Array;
  /** The unconditional rule of a call, or 0 for none: its place in the profile, from 1 up. */
  readonly always: Uint16Array;
  readonly conditional: ReadonlyMap<number, readonly Alternative[]>;
  /** By place in the profile. */
  readonly answers: readonly number[];
}

/** Verdicts of the numbers from `base` on, as far as the profile has rules for them. */
export interface Block {
  readonly base: number;
  readonly verdicts: readonly (Verdict | undefined)[];
}

export interface AbiRules {
  /** In rising order. An ABI's numbers are dense, but arm has a few far above the others. */
  readonly blocks: readonly Block[];
  /** The largest number that the profile names, undefined when it names none or 0 alone. */
  readonly largest: number | undefined;
}

const BLOCK = 0x1000;

/**
 * Reads the profile's rules. Names that nobody knows are skipped, and so are rules that say what the default says. Of
 * several unconditional rules of one call the first one wins.
 */
export function readRules(config: SeccompConfig, defaultAnswer: number): ProfileRules {
  const named = new Uint8Array(syscallCount());
  const always = new Uint16Array(named.length);
  const conditional = new Map<number, Alternative[]>();
  const answers: number[] = [];
  for (const [rule, { names, action, errnoRet, args }] of (config.syscalls ?? []).entries()) {
    const answer = returnValue(action as Action, errnoRet);
    answers.push(answer);
    const alternatives =
      args === undefined || args === null || args.length === 0 ? [] : alternativesOf(args, rule, answer);
    for (let i = 0; i < names.length; i++) {
      const call = syscallIndex(names[i]!);
      if (call === undefined) continue;
      named[call] = 1;
      if (answer === defaultAnswer) continue;
      if (alternatives.length > 0) {
        const known = conditional.get(call);
        if (known === undefined) conditional.set(call, [...alternatives]);
        else known.push(...alternatives);
      }
      if (alternatives.length === 0 && always[call] === 0) always[call] = rule + 1;
    }
  }
  return { named, always, conditional, answers };
}

/** Two conditions on one argument make each condition a rule of its own: an old habit of runc that profiles rely on. */
function alternativesOf(args: NonNullable<Rule['args']>, rule: number, answer: number): Alternative[] {
  const conditions = args.map((argument): Condition => ({
    index: argument.index,
    op: argument.op as Operator,
    value: BigInt(argument.value),
    valueTwo: BigInt(argument.valueTwo ?? 0),
  }));
  if (new Set(conditions.map(({ index }) => index)).size < conditions.length) {
    return conditions.map((condition, i) => ({ id: `${rule}.${i}`, rule, answer, conditions: [condition] }));
  }
  return [{ id: `${rule}`, rule, answer, conditions: conditions.toSorted((a, b) => a.index - b.index) }];
}

/** The rules as they are for one ABI. An unconditional rule of a call wins over conditional ones, wherever it stands. */
export function rulesOfAbi(profile: ProfileRules, arch: SyscallArch, width: Width): AbiRules {
  const { named, always, conditional, answers } = profile;
  const table = syscallTable(arch);
  const multiplexed = arch === 'x86' ? multiplexedCalls() : undefined;
  const blocks: { readonly base: number; readonly verdicts: (Verdict | undefined)[] }[] = [
    { base: 0, verdicts: [] },
  ];
  let block = blocks[0]!;
  const sometimes = new Map<number, Alternative[]>();
  let largest = 0;
  for (let call = 0; call < named.length; call++) {
    if (named[call] === 0) continue;
    const number = table[call]!;
    const through = multiplexed?.get(call);
    // runc asks libseccomp for the number, and gets a pseudo number for what x86 also reaches through a multiplexer.
    if (number > largest && through === undefined) largest = number;
    const rule = always[call]!;
    const own = conditional.get(call);
    if (number !== NO_CALL) {
      if (own !== undefined) add(number, own);
      if (own !== undefined && rule > 0) add(number, [unconditional(rule)]);
      if (own === undefined && rule > 0) put(number, answers[rule - 1]!);
    }
    // An unconditional rule of the multiplexer itself wins anyway.
    if (through !== undefined && always[through.multiplexer] === 0) {
      const rules = [...(own ?? []), ...(rule > 0 ? [unconditional(rule)] : [])];
      add(
        through.number,
        rules.map((alternative) => throughMultiplexer(alternative, through)),
      );
    }
  }
  for (const [number, alternatives] of sometimes) {
    if (alternatives.length > 0) put(number, verdictOf(alternatives, width));
  }
  return { blocks: blocks.toSorted((a, b) => a.base - b.base), largest: largest === 0 ? undefined : largest };

  function unconditional(rule: number): Alternative {
    return { id: `${rule - 1}`, rule: rule - 1, answer: answers[rule - 1]!, conditions: [] };
  }

  function add(number: number, alternatives: readonly Alternative[]): void {
    const known = sometimes.get(number);
    if (known === undefined) sometimes.set(number, [...alternatives]);
    else known.push(...alternatives);
  }

  function put(number: number, verdict: Verdict): void {
    const offset = number % BLOCK;
    const base = number - offset;
    if (block.base !== base) {
      block = blocks.find((candidate) => candidate.base === base) ?? { base, verdicts: [] };
      if (!blocks.includes(block)) blocks.push(block);
    }
    block.verdicts[offset] = verdict;
  }
}

function verdictOf(alternatives: readonly Alternative[], width: Width): Verdict {
  const inOrder = alternatives
    .map((alternative) => ({
      ...alternative,
      conditions: alternative.conditions.filter((condition) => !alwaysTrue(condition, width)),
    }))
    .toSorted((a, b) => a.rule - b.rule);
  const unconditional = inOrder.find(({ conditions }) => conditions.length === 0);
  if (unconditional !== undefined) return unconditional.answer;
  const ordered = orderConflicting(inOrder, width);
  return { key: `${width}: ${ordered.map(({ id }) => id).join(' ')}`, width, alternatives: ordered };
}
