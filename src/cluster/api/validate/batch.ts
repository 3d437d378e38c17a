import { append } from '../../../base/append.ts';
import {
  duplicate,
  goShown,
  inconsistent,
  invalid,
  required,
  unsupported,
  type FieldError,
  type GoMember,
} from '../field-error.ts';
import {
  getPath,
  isJsonObject,
  jsonCopy,
  jsonEqual,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  type JsonObject,
} from '../json.ts';
import { selectorFromObject } from '../selector.ts';
import {
  domainPrefixedPath,
  formed,
  IMMUTABLE,
  longerThan,
  notNegative,
  notSupported,
  oneOf,
  tooMany,
  unchanged,
  type Choice,
} from './checks.ts';
import { isTimeZone, scheduleComplaint } from './cron.ts';
import { countIndexes } from './job-indexes.ts';
import { validateLabelSelector } from './label-selector.ts';
import { dns1123Label, qualifiedName } from './names.ts';
import { validatePodTemplate, validateSelected } from './pod-template.ts';

const INDEXED = 'Indexed';
const MANY_COMPLETIONS = 100_000;
const MANY_WITH_LIMIT = 10_000;

export function validateJob(job: JsonObject): FieldError[] {
  const spec = objectAt(job, 'spec');
  const errors = [...validateGenerated(job), ...validateJobSpec(spec, 'spec')];
  const { selector } = spec;
  if (!isJsonObject(selector)) {
    // None selects nothing.
    const labels = getPath(spec, 'template', 'metadata', 'labels');
    const detail = '`selector` does not match template `labels`';
    errors.push(required('spec.selector'), invalid('spec.template.metadata.labels', labels, detail));
  } else {
    const complaints = validateLabelSelector(selector, 'spec.selector');
    append(errors, complaints);
    if (complaints.length === 0) {
      append(errors, validateSelected(selector, objectAt(spec, 'template'), 'spec.template'));
    }
  }
  const completions = numberAt(spec, 'completions') ?? 0;
  if (spec['completionMode'] === INDEXED && completions > 0) {
    // Pods of an indexed job get the index into their host name.
    const name = stringAt(job, 'metadata', 'name');
    const longest = `${name}-${completions - 1}`;
    if (dns1123Label(longest).length > 0) {
      const detail = `will not able to create pod with invalid DNS label: ${longest}`;
      errors.push(invalid('metadata.name', name, detail));
    }
  }
  return errors;
}

const UID_LABELS = ['controller-uid', 'batch.kubernetes.io/controller-uid'];
const NAME_LABELS = ['job-name', 'batch.kubernetes.io/job-name'];

/** A job that selects by its own uid has the labels that say so, and no others in their place. */
function validateGenerated(job: JsonObject): FieldError[] {
  const spec = objectAt(job, 'spec');
  const { selector } = spec;
  if (spec['manualSelector'] === true || !isJsonObject(selector)) return [];
  const uid = stringAt(job, 'metadata', 'uid');
  if (uid === '') return [required('metadata.uid')];
  const name = stringAt(job, 'metadata', 'name');
  const expected: Record<string, string> = {};
  for (const label of UID_LABELS) expected[label] = uid;
  for (const label of NAME_LABELS) expected[label] = name;
  const labels = objectAt(spec, 'template', 'metadata', 'labels');
  const field = 'spec.template.metadata.labels';
  const errors = Object.entries(expected).flatMap(([key, value]) => {
    const actual = labels[key];
    if (actual === undefined) return [required(`${field}[${key}]`, `must be '${value}'`)];
    return actual === value ? [] : [invalid(`${field}[${key}]`, labels, `must be '${value}'`)];
  });
  if (validateLabelSelector(selector, '').length === 0 && !selectorFromObject(selector).matches(expected)) {
    errors.push(invalid('spec.selector', selector, '`selector` not auto-generated'));
  }
  return errors;
}

/** Everything but the selector, which a cron job's template does not have. */
function validateJobSpec(spec: JsonObject, field: string): FieldError[] {
  const template = objectAt(spec, 'template');
  const errors = [
    ...notNegative(
      spec,
      field,
      'parallelism',
      'completions',
      'activeDeadlineSeconds',
      'backoffLimit',
      'ttlSecondsAfterFinished',
      'backoffLimitPerIndex',
      'maxFailedIndexes',
    ),
    ...(spec['maxFailedIndexes'] !== undefined && spec['backoffLimitPerIndex'] === undefined
      ? [required(`${field}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified')]
      : []),
    ...validateManagedBy(spec, field),
    ...validateCompletionMode(spec, field),
  ];
  if (isJsonObject(spec['podFailurePolicy'])) append(errors, validateFailurePolicy(spec, field));
  if (isJsonObject(spec['successPolicy'])) append(errors, validateSuccessPolicy(spec, field));
  const failed = spec['podFailurePolicy'] !== undefined;
  append(
    errors,
    given(spec, 'podReplacementPolicy', {
      field,
      supported: failed ? ['Failed'] : ['Failed', 'TerminatingOrFailed'],
    }),
  );
  append(errors, validatePodTemplate(template, `${field}.template`));
  append(errors, validateRestarts(stringAt(template, 'spec', 'restartPolicy'), field, failed));
  return errors;
}

/** An empty text is no choice. */
function given(spec: JsonObject, key: string, { field, supported }: Choice): FieldError[] {
  return spec[key] === undefined ? [] : notSupported(spec[key], `${field}.${key}`, supported);
}

function validateRestarts(policy: string, field: string, failurePolicy: boolean): FieldError[] {
  const at = `${field}.template.spec.restartPolicy`;
  if (policy === '' || policy === 'Always') return [required(at, 'valid values: "OnFailure", "Never"')];
  const supported = ['OnFailure', 'Never'];
  if (!supported.includes(policy)) return [unsupported(at, policy, supported)];
  if (failurePolicy && policy !== 'Never') {
    return [invalid(at, policy, 'only "Never" is supported when podFailurePolicy is specified')];
  }
  return [];
}

function validateManagedBy(spec: JsonObject, field: string): FieldError[] {
  const { managedBy } = spec;
  if (typeof managedBy !== 'string') return [];
  const at = `${field}.managedBy`;
  return [...domainPrefixedPath(managedBy, at), ...longerThan(managedBy, 63, at)];
}

function validateCompletionMode(spec: JsonObject, field: string): FieldError[] {
  const errors = given(spec, 'completionMode', { field, supported: ['NonIndexed', 'Indexed'] });
  const perIndex = numberAt(spec, 'backoffLimitPerIndex');
  const failed = numberAt(spec, 'maxFailedIndexes');
  const mode = spec['completionMode'];
  if (mode !== INDEXED) {
    for (const key of ['backoffLimitPerIndex', 'maxFailedIndexes']) {
      if (spec[key] !== undefined && (mode === undefined || mode === 'NonIndexed')) {
        errors.push(invalid(`${field}.${key}`, spec[key], 'requires indexed completion mode'));
      }
    }
    return errors;
  }
  const completions = numberAt(spec, 'completions');
  const parallelism = numberAt(spec, 'parallelism') ?? 0;
  if (completions === undefined) {
    errors.push(required(`${field}.completions`, 'when completion mode is Indexed'));
  }
  if (parallelism > MANY_COMPLETIONS) {
    errors.push(
      invalid(
        `${field}.parallelism`,
        parallelism,
        `must be less than or equal to ${MANY_COMPLETIONS} when completion mode is Indexed`,
      ),
    );
  }
  if (completions !== undefined && failed !== undefined && failed > completions) {
    errors.push(invalid(`${field}.maxFailedIndexes`, failed, 'must be less than or equal to completions'));
  }
  if (failed !== undefined && failed > MANY_COMPLETIONS) {
    errors.push(
      invalid(`${field}.maxFailedIndexes`, failed, `must be less than or equal to ${MANY_COMPLETIONS}`),
    );
  }
  if ((completions ?? 0) > MANY_COMPLETIONS && perIndex !== undefined) {
    const detail = `must be less than or equal to ${MANY_WITH_LIMIT} when completions are above ${MANY_COMPLETIONS} and used with backoff limit per index`;
    if (failed === undefined) {
      errors.push(
        required(
          `${field}.maxFailedIndexes`,
          `must be specified when completions is above ${MANY_COMPLETIONS}`,
        ),
      );
    }
    if (parallelism > MANY_WITH_LIMIT) errors.push(invalid(`${field}.parallelism`, parallelism, detail));
    if (failed !== undefined && failed > MANY_WITH_LIMIT) {
      errors.push(invalid(`${field}.maxFailedIndexes`, failed, detail));
    }
  }
  return errors;
}

const ACTIONS = ['Count', 'FailIndex', 'FailJob', 'Ignore'];

function validateFailurePolicy(spec: JsonObject, field: string): FieldError[] {
  const at = `${field}.podFailurePolicy.rules`;
  const rules = objectsAt(spec, 'podFailurePolicy', 'rules');
  const containers = new Set(
    ['containers', 'initContainers'].flatMap((list) =>
      objectsAt(spec, 'template', 'spec', list).map((container) => container['name']),
    ),
  );
  const errors = tooMany(at, rules.length, 20);
  for (const [index, rule] of rules.entries()) {
    const here = `${at}[${index}]`;
    const action = stringAt(rule, 'action');
    if (action === '') errors.push(required(`${here}.action`, `valid values: ${quoted(ACTIONS)}`));
    else if (!ACTIONS.includes(action)) errors.push(unsupported(`${here}.action`, action, ACTIONS));
    else if (action === 'FailIndex' && spec['backoffLimitPerIndex'] === undefined) {
      errors.push(invalid(`${here}.action`, action, 'requires the backoffLimitPerIndex to be set'));
    }
    const codes = rule['onExitCodes'];
    const patterns = objectsAt(rule, 'onPodConditions');
    if (isJsonObject(codes)) append(errors, validateExitCodes(codes, `${here}.onExitCodes`, containers));
    append(errors, validatePodConditions(patterns, `${here}.onPodConditions`));
    if (isJsonObject(codes) && patterns.length > 0) {
      errors.push(inconsistent(here, 'specifying both OnExitCodes and OnPodConditions is not supported'));
    } else if (!isJsonObject(codes) && patterns.length === 0) {
      errors.push(inconsistent(here, 'specifying one of OnExitCodes and OnPodConditions is required'));
    }
  }
  return errors;
}

/** As Go shows a list of texts. */
function quoted(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
}

function validateExitCodes(
  codes: JsonObject,
  at: string,
  containers: ReadonlySet<JsonObject[string]>,
): FieldError[] {
  const errors: FieldError[] = [];
  const operators = ['In', 'NotIn'];
  const operator = stringAt(codes, 'operator');
  if (operator === '') errors.push(required(`${at}.operator`, `valid values: ${quoted(operators)}`));
  else if (!operators.includes(operator)) errors.push(unsupported(`${at}.operator`, operator, operators));
  const container = codes['containerName'];
  if (container !== undefined && !containers.has(container)) {
    const detail = 'must be one of the container or initContainer names in the pod template';
    errors.push(invalid(`${at}.containerName`, container, detail));
  }
  const values = listAt(codes, 'values');
  if (values.length === 0) {
    errors.push(invalid(`${at}.values`, codes['values'], 'at least one value is required'));
  }
  append(errors, tooMany(`${at}.values`, values.length, 255));
  const seen = new Set<unknown>();
  for (const [index, value] of values.entries()) {
    const here = `${at}.values[${index}]`;
    if (operator === 'In' && value === 0) {
      errors.push(invalid(here, value, 'must not be 0 for the In operator'));
    }
    if (seen.has(value)) errors.push(duplicate(here, value));
    seen.add(value);
  }
  const ordered = values.every((value, index) => index === 0 || Number(values[index - 1]) <= Number(value));
  if (!ordered) errors.push(invalid(`${at}.values`, values, 'must be ordered'));
  return errors;
}

function validatePodConditions(patterns: readonly JsonObject[], at: string): FieldError[] {
  const supported = ['False', 'True', 'Unknown'];
  return [
    ...tooMany(at, patterns.length, 20),
    ...patterns.flatMap((pattern, index) => {
      const here = `${at}[${index}]`;
      const status = stringAt(pattern, 'status');
      return [
        ...formed(stringAt(pattern, 'type'), `${here}.type`, qualifiedName),
        ...(status === '' ? [required(`${here}.status`, `valid values: ${quoted(supported)}`)] : []),
        ...oneOf(pattern, 'status', { field: here, supported }),
      ];
    }),
  ];
}

const SUCCESS: readonly GoMember[] = [
  {
    name: 'rules',
    zero: null,
    members: [
      { name: 'succeededIndexes', zero: null },
      { name: 'succeededCount', zero: null },
    ],
  },
];

function validateSuccessPolicy(spec: JsonObject, field: string): FieldError[] {
  const at = `${field}.successPolicy`;
  if (spec['completionMode'] !== INDEXED) {
    const shown = goShown(objectAt(spec, 'successPolicy'), SUCCESS);
    return [invalid(at, shown, 'requires indexed completion mode')];
  }
  const rules = objectsAt(spec, 'successPolicy', 'rules');
  if (rules.length === 0) {
    const detail = 'at least one rules must be specified when the successPolicy is specified';
    return [required(`${at}.rules`, detail)];
  }
  const completions = numberAt(spec, 'completions') ?? 0;
  return [
    ...tooMany(`${at}.rules`, rules.length, 20),
    ...rules.flatMap((rule, index) => validateSuccessRule(rule, `${at}.rules[${index}]`, completions)),
  ];
}

function validateSuccessRule(rule: JsonObject, at: string, completions: number): FieldError[] {
  const count = numberAt(rule, 'succeededCount');
  const { succeededIndexes: indexes } = rule;
  if (count === undefined && indexes === undefined) {
    return [required(at, 'at least one of succeededCount or succeededIndexes must be specified')];
  }
  const errors: FieldError[] = [];
  let total = 0;
  if (typeof indexes === 'string') {
    const here = `${at}.succeededIndexes`;
    const counted = countIndexes(indexes, completions);
    append(errors, longerThan(indexes, 64 * 1024, here));
    if (typeof counted === 'number') total = counted;
    else errors.push(invalid(here, indexes, `error parsing succeededIndexes: ${counted}`));
  }
  if (count === undefined) return errors;
  append(errors, notNegative(rule, at, 'succeededCount'));
  if (count > completions) {
    const detail = `must be less than or equal to ${completions} (the number of specified completions)`;
    errors.push(invalid(`${at}.succeededCount`, count, detail));
  }
  if (typeof indexes === 'string' && count > total) {
    const detail = `must be less than or equal to ${total} (the number of indexes in the specified succeededIndexes field)`;
    errors.push(invalid(`${at}.succeededCount`, count, detail));
  }
  return errors;
}

export function validateJobUpdate(job: JsonObject, old: JsonObject): FieldError[] {
  return [
    ...validateCompletions(objectAt(job, 'spec'), objectAt(old, 'spec')),
    ...unchanged(job, old, 'spec.selector'),
    ...validateTemplateUpdate(job, old),
    ...unchanged(
      job,
      old,
      'spec.completionMode',
      'spec.podFailurePolicy',
      'spec.backoffLimitPerIndex',
      'spec.managedBy',
      'spec.successPolicy',
    ),
  ];
}

/** An indexed job may grow and shrink, as long as all of it runs at once. */
function validateCompletions(spec: JsonObject, before: JsonObject): FieldError[] {
  const { completions } = spec;
  if (jsonEqual(completions, before['completions'])) return [];
  if (spec['completionMode'] !== INDEXED) return [invalid('spec.completions', completions, IMMUTABLE)];
  // That there are none is complained about already.
  return completions === undefined || completions === spec['parallelism']
    ? []
    : [invalid('spec.completions', completions, 'can only be modified in tandem with spec.parallelism')];
}

/** While a suspended job has no pods, where they will go may still be decided (KEP-2926), and what they get (KEP-5440). */
function validateTemplateUpdate(job: JsonObject, old: JsonObject): FieldError[] {
  const template = objectAt(job, 'spec', 'template');
  const before = objectAt(old, 'spec', 'template');
  if (!isIdle(old)) {
    return jsonEqual(template, before) ? [] : [invalid('spec.template', template, IMMUTABLE)];
  }
  const { spec } = template;
  return jsonEqual(withoutDirectives(spec), withoutDirectives(before['spec']))
    ? []
    : [invalid('spec.template.spec', spec, IMMUTABLE)];
}

function isIdle(job: JsonObject): boolean {
  if (getPath(job, 'spec', 'suspend') !== true || (numberAt(job, 'status', 'active') ?? 0) > 0) return false;
  const stopped = objectsAt(job, 'status', 'conditions').some(
    ({ type, status }) => type === 'Suspended' && status === 'True',
  );
  return stopped || getPath(job, 'status', 'startTime') === undefined;
}

function withoutDirectives(spec: JsonObject[string]): JsonObject {
  const {
    nodeSelector: _n,
    tolerations: _t,
    schedulingGates: _g,
    affinity,
    ...other
  } = isJsonObject(spec) ? jsonCopy(spec) : {};
  for (const list of ['containers', 'initContainers']) {
    for (const container of objectsAt(other, list)) delete container['resources'];
  }
  const { nodeAffinity: _na, ...otherAffinity } = isJsonObject(affinity) ? affinity : {};
  return { ...other, affinity: otherAffinity };
}

export function validateCronJob(cronJob: JsonObject): FieldError[] {
  // Eleven characters of the name of a job are the time that it is for.
  const name = stringAt(cronJob, 'metadata', 'name');
  return [
    ...validateCronSpec(cronJob, undefined),
    ...(name.length > 52 ? [invalid('metadata.name', name, 'must be no more than 52 characters')] : []),
  ];
}

export function validateCronJobUpdate(cronJob: JsonObject, old: JsonObject): FieldError[] {
  return validateCronSpec(cronJob, objectAt(old, 'spec'));
}

/** What an older object already says of its time zone stays possible. */
function validateCronSpec(cronJob: JsonObject, before: JsonObject | undefined): FieldError[] {
  const spec = objectAt(cronJob, 'spec');
  const job = objectAt(spec, 'jobTemplate', 'spec');
  const sameZone = before !== undefined && before['timeZone'] === spec['timeZone'];
  const field = 'spec.jobTemplate.spec';
  const errors = [
    ...validateSchedule(spec, before !== undefined && stringAt(before, 'schedule').includes('TZ')),
    ...notNegative(spec, 'spec', 'startingDeadlineSeconds'),
    ...(sameZone ? [] : validateTimeZone(spec['timeZone'])),
    ...oneOf(spec, 'concurrencyPolicy', {
      field: 'spec',
      supported: ['Allow', 'Forbid', 'Replace'],
      required: true,
    }),
    ...validateJobSpec(job, field),
  ];
  if (job['selector'] !== undefined) {
    errors.push(invalid(`${field}.selector`, job['selector'], '`selector` will be auto-generated'));
  }
  if (job['manualSelector'] === true) {
    errors.push(unsupported(`${field}.manualSelector`, true, ['nil', 'false']));
  }
  return [...errors, ...notNegative(spec, 'spec', 'successfulJobsHistoryLimit', 'failedJobsHistoryLimit')];
}

function validateSchedule(spec: JsonObject, mayNameZone: boolean): FieldError[] {
  const schedule = stringAt(spec, 'schedule');
  if (schedule === '') return [required('spec.schedule')];
  const complaint = scheduleComplaint(schedule);
  const errors = complaint === undefined ? [] : [invalid('spec.schedule', schedule, complaint)];
  if (schedule.includes('TZ') && (!mayNameZone || spec['timeZone'] !== undefined)) {
    const detail = mayNameZone
      ? 'cannot use both timeZone field and TZ or CRON_TZ in schedule'
      : 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead';
    errors.push(invalid('spec.schedule', schedule, detail));
  }
  return errors;
}

function validateTimeZone(zone: JsonObject[string]): FieldError[] {
  const at = 'spec.timeZone';
  if (typeof zone !== 'string') return [];
  if (zone === '') return [invalid(at, zone, 'timeZone must be nil or non-empty string')];
  if (zone.toLowerCase() === 'local') {
    const detail = 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones';
    return [invalid(at, zone, detail)];
  }
  return isTimeZone(zone) ? [] : [invalid(at, zone, `unknown time zone ${zone}`)];
}
