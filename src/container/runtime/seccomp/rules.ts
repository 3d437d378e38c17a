import type { SeccompConfig } from '../../spec/runtime-config.ts';
import { alwaysTrue, type Condition, type Width } from './conditions.ts';
import { orderConflicting } from './rule-order.ts';
import { multiplexedCall } from './multiplexed.ts';
import { type SyscallArch, syscallNumbers } from './syscall-numbers.ts';
import { type Action, type Operator, returnValue } from './vocabulary.ts';

/** One way in which a call matches: all conditions hold. */
export interface Alternative {
  /** The same conditions and action have the same identity: their code is shared. */
  readonly id: string;
  /** What the filter answers. */
  readonly answer: number;
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

export interface AbiRules {
  readonly verdicts: ReadonlyMap<number, Verdict>;
  /** The largest number that the profile names, undefined when it names none or 0 alone. */
  readonly largest: number | undefined;
}

interface ProfileRule {
  readonly names: readonly string[];
  readonly answer: number;
  readonly alternatives: readonly Alternative[];
}

/** The profile's rules, read once for all architectures. */
export function readRules(config: SeccompConfig): readonly ProfileRule[] {
  return (config.syscalls ?? []).map(({ names, action, errnoRet, args }, number): ProfileRule => {
    const answer = returnValue(action as Action, errnoRet ?? undefined);
    const conditions = (args ?? []).map((argument): Condition => ({
      index: argument.index,
      op: argument.op as Operator,
      value: BigInt(argument.value),
      valueTwo: BigInt(argument.valueTwo ?? 0),
    }));
    // Two conditions on one argument make each condition a rule of its own: so did libseccomp's early users, and runc
    // keeps it for them.
    const repeated = new Set(conditions.map(({ index }) => index)).size < conditions.length;
    const alternatives = repeated
      ? conditions.map((condition, i) => ({ id: `${number}.${i}`, answer, conditions: [condition] }))
      : [{ id: `${number}`, answer, conditions: conditions.toSorted((a, b) => a.index - b.index) }];
    return { names, answer, alternatives };
  });
}

/**
 * The rules as they are for one ABI. Names that it does not have are skipped, and so are rules that say what the default
 * says. Of several rules of one call the first unconditional one wins, wherever it stands.
 */
export function rulesOfAbi(
  rules: readonly ProfileRule[],
  abi: { readonly arch: SyscallArch; readonly width: Width; readonly defaultAnswer: number },
): AbiRules {
  const numbers = syscallNumbers(abi.arch);
  const always = new Map<number, number>();
  const sometimes = new Map<number, Alternative[]>();
  let largest = 0;
  for (const { names, answer, alternatives } of rules) {
    for (const name of names) {
      const number = numbers.get(name);
      const multiplexed = abi.arch === 'x86' ? multiplexedCall(name) : undefined;
      // runc asks libseccomp for the number, and gets a pseudo number for what x86 also reaches through a multiplexer.
      if (number !== undefined && multiplexed === undefined && number > largest) largest = number;
      if (answer === abi.defaultAnswer) continue;
      if (number !== undefined) add(number, alternatives);
      if (multiplexed !== undefined)
        add(
          multiplexed.number,
          alternatives.map((rule) => multiplexed.through(rule)),
        );
    }
  }
  const verdicts = new Map<number, Verdict>(always);
  for (const [number, unordered] of sometimes) {
    if (always.has(number)) continue;
    const alternatives = orderConflicting(unordered, abi.width);
    const key = `${abi.width}: ${alternatives.map(({ id }) => id).join(' ')}`;
    verdicts.set(number, { key, width: abi.width, alternatives });
  }
  return { verdicts, largest: largest === 0 ? undefined : largest };

  function add(number: number, alternatives: readonly Alternative[]): void {
    for (const alternative of alternatives) {
      const conditions = alternative.conditions.filter((condition) => !alwaysTrue(condition, abi.width));
      if (conditions.length === 0) {
        if (!always.has(number)) always.set(number, alternative.answer);
        continue;
      }
      const known = sometimes.get(number) ?? [];
      if (known.length === 0) sometimes.set(number, known);
      known.push({ ...alternative, conditions });
    }
  }
}
