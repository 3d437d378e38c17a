/**
 * What may be said of a job, and what may become of that: whoever manages jobs writes it, and not only we do (KEP-4368).
 * Rules that are younger than the object hold for what changes.
 */
import { duplicate, inconsistent, invalid, required, type FieldError } from '../field-error.ts';
import {
  getPath,
  jsonEqual,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
} from '../json.ts';
import { notNegative } from './checks.ts';
import { countIndexes, firstCommon } from './job-indexes.ts';

const CONDITIONS = 'status.conditions';

type Type = 'Complete' | 'Failed' | 'FailureTarget' | 'SuccessCriteriaMet';

function isTrue(job: JsonObject, type: Type): boolean {
  return hasCondition(job, type, 'True');
}

function hasCondition(job: JsonObject, type: Type | 'Suspended', status: 'True' | 'False'): boolean {
  return objectsAt(job, 'status', 'conditions').some(
    (condition) => condition['type'] === type && condition['status'] === status,
  );
}

function isFinished(job: JsonObject): boolean {
  return isTrue(job, 'Complete') || isTrue(job, 'Failed');
}

export function validateJobStatus(job: JsonObject, old: JsonObject): FieldError[] {
  return [
    ...validateCounts(objectAt(job, 'status')),
    ...validateVerdict(job, old),
    ...validateIndexes(job, old),
    ...validateRest(job, old),
    ...validateTransition(job, old),
  ];
}

function validateCounts(status: JsonObject): FieldError[] {
  const seen = new Set<string>();
  const errors = notNegative(status, 'status', 'active', 'succeeded', 'failed', 'ready', 'terminating');
  for (const list of ['succeeded', 'failed']) {
    for (const [index, item] of listAt(status, 'uncountedTerminatedPods', list).entries()) {
      const at = `status.uncountedTerminatedPods.${list}[${index}]`;
      const uid = textOf(item);
      if (uid === '') errors.push(invalid(at, uid, 'must not be empty'));
      else if (seen.has(uid)) errors.push(duplicate(at, uid));
      seen.add(uid);
    }
  }
  return errors;
}

/** What differs from the old status, of its members and of its conditions. */
function changeOf(job: JsonObject, old: JsonObject): (what: string) => boolean {
  const [now, was] = [objectAt(job, 'status'), objectAt(old, 'status')];
  return (what) => {
    switch (what) {
      case 'Complete':
      case 'Failed':
      case 'FailureTarget':
      case 'SuccessCriteriaMet':
        return isTrue(job, what) !== isTrue(old, what);
      case 'finished':
        return isFinished(job) !== isFinished(old);
      default:
        return !jsonEqual(now[what], was[what]);
    }
  };
}

function validateVerdict(job: JsonObject, old: JsonObject): FieldError[] {
  const status = objectAt(job, 'status');
  const changed = changeOf(job, old);
  const [complete, failed, doomed, met] = (
    ['Complete', 'Failed', 'FailureTarget', 'SuccessCriteriaMet'] as const
  ).map((type) => isTrue(job, type)) as [boolean, boolean, boolean, boolean];
  const { startTime, completionTime: end } = status;
  const errors: FieldError[] = [];
  const say = (applies: boolean, error: FieldError): void => {
    if (applies) errors.push(error);
  };
  say(
    (changed('Complete') || changed('Failed')) && complete && failed,
    inconsistent(CONDITIONS, 'cannot set Complete=True and Failed=true conditions'),
  );
  say(
    (changed('Complete') || changed('FailureTarget')) && complete && doomed,
    inconsistent(CONDITIONS, 'cannot set Complete=True and FailureTarget=true conditions'),
  );
  const endChanged = changed('Complete') || changed('completionTime');
  const at = 'status.completionTime';
  say(
    endChanged && end !== undefined && !complete,
    invalid(at, end, 'cannot set completionTime when there is no Complete=True condition'),
  );
  say(
    endChanged && end === undefined && complete,
    required(at, 'completionTime is required for Complete jobs'),
  );
  say(
    (changed('startTime') || changed('completionTime')) &&
      end !== undefined &&
      startTime !== undefined &&
      Date.parse(textOf(end)) < Date.parse(textOf(startTime)),
    invalid(at, end, 'completionTime cannot be set before startTime'),
  );
  say(
    (changed('Failed') || changed('FailureTarget')) && failed && !doomed,
    inconsistent(CONDITIONS, 'cannot set Failed=True condition without the FailureTarget=true condition'),
  );
  say(
    (changed('Complete') || changed('SuccessCriteriaMet')) && complete && !met,
    inconsistent(
      CONDITIONS,
      'cannot set Complete=True condition without the SuccessCriteriaMet=true condition',
    ),
  );
  if (!isFinished(job)) return errors;
  const active = numberAt(status, 'active') ?? 0;
  const uncounted = objectAt(status, 'uncountedTerminatedPods');
  const finished = changed('finished');
  say(
    (finished || changed('active')) && active > 0,
    invalid('status.active', active, 'active>0 is invalid for finished job'),
  );
  // One that was never to run anything may finish as it waits.
  const idle = getPath(job, 'spec', 'suspend') === true && getPath(job, 'spec', 'completions') === 0;
  say(
    (finished || changed('startTime')) && startTime === undefined && !idle,
    required('status.startTime', 'startTime is required for finished job'),
  );
  say(
    (finished || changed('uncountedTerminatedPods')) &&
      listAt(uncounted, 'failed').length + listAt(uncounted, 'succeeded').length > 0,
    invalid(
      'status.uncountedTerminatedPods',
      uncounted,
      'uncountedTerminatedPods needs to be empty for finished job',
    ),
  );
  return errors;
}

function validateIndexes(job: JsonObject, old: JsonObject): FieldError[] {
  const changed = changeOf(job, old);
  const spec = objectAt(job, 'spec');
  const completions = numberAt(spec, 'completions');
  const done = stringAt(job, 'status', 'completedIndexes');
  const failed = objectAt(job, 'status')['failedIndexes'];
  const limited = spec['backoffLimitPerIndex'] !== undefined;
  const errors: FieldError[] = [];
  const check = (field: string, text: string): void => {
    const count = countIndexes(text, completions ?? 0);
    if (typeof count === 'string') {
      errors.push(invalid(`status.${field}`, text, `error parsing ${field}: ${count}`));
    }
  };
  const [doneChanged, failedChanged] = [changed('completedIndexes'), changed('failedIndexes')];
  if (doneChanged && completions !== undefined) check('completedIndexes', done);
  if (failedChanged && completions !== undefined && limited && typeof failed === 'string') {
    check('failedIndexes', failed);
  }
  if (doneChanged && done !== '' && spec['completionMode'] !== 'Indexed') {
    const detail = 'cannot set non-empty completedIndexes when non-indexed completion mode';
    errors.push(invalid('status.completedIndexes', done, detail));
  }
  if (failedChanged && !limited && failed !== undefined) {
    const detail = 'cannot set non-null failedIndexes when backoffLimitPerIndex is null';
    errors.push(invalid('status.failedIndexes', failed, detail));
  }
  if ((doneChanged || failedChanged) && completions !== undefined && typeof failed === 'string') {
    const common = firstCommon(done, failed, completions);
    if (common !== undefined) {
      const detail = `failedIndexes and completedIndexes overlap at index: ${common}`;
      errors.push(invalid('status.failedIndexes', failed, detail));
    }
  }
  return errors;
}

function validateRest(job: JsonObject, old: JsonObject): FieldError[] {
  const changed = changeOf(job, old);
  const status = objectAt(job, 'status');
  const [active, ready, terminating] = (['active', 'ready', 'terminating'] as const).map(
    (key) => numberAt(status, key) ?? 0,
  ) as [number, number, number];
  const errors: FieldError[] = [];
  if ((changed('finished') || changed('terminating')) && terminating > 0 && isFinished(job)) {
    errors.push(invalid('status.terminating', terminating, 'terminating>0 is invalid for finished job'));
  }
  if ((changed('ready') || changed('active')) && status['ready'] !== undefined && ready > active) {
    errors.push(invalid('status.ready', ready, 'cannot set more ready pods than active'));
  }
  const met = isTrue(job, 'SuccessCriteriaMet');
  for (const type of ['Failed', 'FailureTarget'] as const) {
    if (!met || !isTrue(job, type)) continue;
    errors.push(inconsistent(CONDITIONS, `cannot set SuccessCriteriaMet=True and ${type}=true conditions`));
  }
  if (objectAt(job, 'spec')['successPolicy'] !== undefined && !met && isTrue(job, 'Complete')) {
    const detail = 'cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True';
    errors.push(inconsistent(CONDITIONS, detail));
  }
  return errors;
}

/** What has happened has happened. */
function validateTransition(job: JsonObject, old: JsonObject): FieldError[] {
  const [status, was] = [objectAt(job, 'status'), objectAt(old, 'status')];
  const spec = objectAt(job, 'spec');
  const errors: FieldError[] = [];
  for (const type of ['Failed', 'Complete', 'FailureTarget'] as const) {
    if (isTrue(old, type) && !isTrue(job, type)) {
      errors.push(inconsistent(CONDITIONS, `cannot disable the terminal ${type}=True condition`));
    }
  }
  // Jobs that shrink forget what the indexes that went have done.
  const elastic = spec['completionMode'] === 'Indexed' && spec['completions'] === spec['parallelism'];
  for (const key of elastic ? ['failed'] : ['failed', 'succeeded']) {
    const count = numberAt(status, key) ?? 0;
    if (count < (numberAt(was, key) ?? 0)) {
      errors.push(invalid(`status.${key}`, count, `cannot decrease the ${key} counter`));
    }
  }
  const { completionTime: end, startTime: start } = status;
  if (end !== undefined && was['completionTime'] !== undefined && end !== was['completionTime']) {
    errors.push(invalid('status.completionTime', end, 'field is immutable'));
  }
  const resumes = hasCondition(old, 'Suspended', 'True') && hasCondition(job, 'Suspended', 'False');
  if (was['startTime'] !== undefined && start !== was['startTime'] && spec['suspend'] !== true && !resumes) {
    errors.push(invalid('status.startTime', start, 'field is immutable for unsuspended job once set'));
  }
  const [met, before] = [isTrue(job, 'SuccessCriteriaMet'), isTrue(old, 'SuccessCriteriaMet')];
  if (before && !met) {
    errors.push(inconsistent(CONDITIONS, 'cannot disable the SuccessCriteriaMet=True condition'));
  }
  if (isTrue(old, 'Complete') && !before && met) {
    const detail = 'cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions';
    errors.push(inconsistent(CONDITIONS, detail));
  }
  return errors;
}
