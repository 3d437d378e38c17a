/** What is asked of expressions about a request, and answered in whichever thread. */
import type { JsonObject } from '../../../api/json.ts';
import type { Decide } from './authorizer.ts';
import { matched, type Matched } from './conditions.ts';
import { mutated, type Mutated, type Mutation } from './mutations.ts';
import { judgement, type Judged, type Judgement } from './validations.ts';
import { factsOf, type Subject } from './variables.ts';

export type Question =
  | { readonly about: 'conditions'; readonly conditions: readonly JsonObject[] }
  | ({ readonly about: 'validations' } & Judged)
  | ({ readonly about: 'mutation' } & Mutation);

export type AnswerTo<Q extends Question> = Q extends { readonly about: 'conditions' }
  ? Matched
  : Q extends { readonly about: 'validations' }
    ? Judgement
    : Mutated;

export async function answer<Q extends Question>(
  question: Q,
  subject: Subject,
  decide: Decide,
): Promise<AnswerTo<Q>> {
  const facts = factsOf(subject, decide);
  const given = (): Promise<Matched | Judgement | Mutated> => {
    switch (question.about) {
      case 'conditions':
        return matched(question.conditions, facts);
      case 'validations':
        return judgement(question, facts);
      default:
        return mutated(question, facts);
    }
  };
  return (await given()) as AnswerTo<Q>;
}
