/** Asks expressions about a request: here, and in the other thread where they take too long. */
import { TooLong } from '../../../../base/too-long.ts';
import { allowance, withAllowance } from '../../../api/cel/allowance.ts';
import type { ServerParts } from '../../context.ts';
import type { Asked } from '../../offload/protocol.ts';
import type { Resource } from '../../resource.ts';
import type { AdmissionRequest } from '../admission.ts';
import type { Decide } from './authorizer.ts';
import { answer, type AnswerTo, type Question } from './questions.ts';
import { subjectOf } from './variables.ts';

export async function ask<Q extends Question>(
  request: AdmissionRequest,
  as: Resource,
  question: Q,
): Promise<AnswerTo<Q>> {
  return await answered(request.server, { question, subject: await subjectOf(request, as) });
}

export async function answered<Q extends Question>(
  { offload, clock, authorizer }: Pick<ServerParts, 'offload' | 'clock' | 'authorizer'>,
  { question, subject }: Asked<Q>,
): Promise<AnswerTo<Q>> {
  const decide: Decide = (attributes) => authorizer.decide(attributes);
  const here = (): Promise<AnswerTo<Q>> => answer(question, subject, decide);
  if (offload === undefined) return await here();
  try {
    return await (allowance() === undefined ? withAllowance(clock, here) : here());
  } catch (error) {
    if (!(error instanceof TooLong)) throw error;
    return await offload.evaluate({ question, subject }, decide);
  }
}
