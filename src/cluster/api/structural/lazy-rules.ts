/** The language of rules: loaded with the first definition that comes. */
import { assert } from '../../../base/errors.ts';
import type * as Definitions from './rule-definitions.ts';
import type * as Rules from './rules.ts';

interface RuleLanguage {
  readonly checkRules: typeof Definitions.checkRules;
  readonly ruleCheck: typeof Rules.ruleCheck;
}

let language: RuleLanguage | undefined;

/** Definitions can be checked once this has resolved. */
export async function loadRules(): Promise<void> {
  if (language !== undefined) return;
  const [{ checkRules }, { ruleCheck }] = await Promise.all([
    import('./rule-definitions.ts'),
    import('./rules.ts'),
  ]);
  language = { checkRules, ruleCheck };
}

export function ruleLanguage(): RuleLanguage {
  assert(language !== undefined, 'rules are loaded before one is checked');
  return language;
}
