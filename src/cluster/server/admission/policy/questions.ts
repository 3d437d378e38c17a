/** What is asked of expressions about a request, and answered in whichever thread. */
import type { JsonObject } from '../../../api/json.ts';
import type { Decide } from './authorizer.ts';
import { matched, type Matched } from './conditions.ts';
import { mutated, type Mutated, type Mutation } from './mutations.ts';
import { judgement, type Judged, type Judgement } from './validations.ts';
import { problemsIn, type Texts } from './texts.ts';
import { warningsFor, type Typed } from './typed.ts';
import { factsOf, type Subject } from './variables.ts';

export type Question =
  | { readonly about: 'conditions'; readonly conditions: readonly JsonObject[] }
  | ({ readonly about: 'validations' } & Judged)
  | ({ readonly about: 'mutation' } & Mutation)
  | ({ readonly about: 'texts' } & Texts)
  | ({ readonly about: 'types' } & Typed);

interface Answers {
  readonly conditions: Matched;
  readonly validations: Judgement;
  readonly mutation: Mutated;
  readonly texts: readonly (string | null)[];
  readonly types: readonly JsonObject[];
}

export type AnswerTo<Q extends Question> = Answers[Q['about']];

export async function answer<Q extends Question>(
  question: Q,
  subject: Subject,
  decide: Decide,
): Promise<AnswerTo<Q>> {
  const facts = factsOf(subject, decide);
  const given = (): Promise<Answers[keyof Answers]> => {
    switch (question.about) {
      case 'conditions':
        return matched(question.conditions, facts);
      case 'validations':
        return judgement(question, facts);
      case 'mutation':
        return mutated(question, facts);
      case 'texts':
        return problemsIn(question);
      default:
        return warningsFor(question);
    }
  };
  return (await given()) as AnswerTo<Q>;
}
