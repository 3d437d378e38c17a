import { append } from '../../../base/append.ts';
import {
  forbidden,
  goShown,
  invalid,
  required,
  unsupported,
  type FieldError,
  type GoMember,
} from '../field-error.ts';
import {
  getPath,
  isJsonObject,
  jsonEqual,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  type JsonObject,
} from '../json.ts';
import {
  amount,
  atMostWhole,
  formed,
  isZeroAmount,
  NOT_NEGATIVE,
  notNegative,
  oneOf,
  unchanged,
} from './checks.ts';
import { isEmptySelector, validateLabelSelector } from './label-selector.ts';
import { dns1123Label } from './names.ts';
import { validateClaimSpec } from './persistent-volume.ts';
import {
  validateLongRunning,
  validatePodTemplate,
  validateSelected,
  validateTemplateMetadata,
} from './pod-template.ts';

export function validateDeployment(deployment: JsonObject): FieldError[] {
  const spec = objectAt(deployment, 'spec');
  return [
    ...notNegative(spec, 'spec', 'replicas'),
    ...validateReplicated(spec),
    ...validateStrategy(objectAt(spec, 'strategy')),
    ...notNegative(spec, 'spec', 'minReadySeconds', 'revisionHistoryLimit', 'progressDeadlineSeconds'),
    ...validateDeadline(spec),
  ];
}

export function validateReplicaSet(replicaSet: JsonObject): FieldError[] {
  const spec = objectAt(replicaSet, 'spec');
  return [...notNegative(spec, 'spec', 'replicas', 'minReadySeconds'), ...validateReplicated(spec)];
}

export function validateScale(scale: JsonObject): FieldError[] {
  return notNegative(objectAt(scale, 'spec'), 'spec', 'replicas');
}

export function validateWorkloadUpdate(object: JsonObject, old: JsonObject): FieldError[] {
  return unchanged(object, old, 'spec.selector');
}

/** The selector and the template that deployments and replica sets have. */
function validateReplicated(spec: JsonObject): FieldError[] {
  const errors = validateSelector(spec, 'deployment');
  const template = objectAt(spec, 'template');
  const selection = validateSelection(spec, template);
  if (selection.broken) return [...errors, ...selection.errors];
  return [
    ...errors,
    ...selection.errors,
    ...validatePodTemplate(template, 'spec.template'),
    ...validateLongRunning(template, 'spec.template', 'ReplicaSet'),
  ];
}

function validateSelector(spec: JsonObject, kind: string): FieldError[] {
  const { selector } = spec;
  if (!isJsonObject(selector)) return [required('spec.selector')];
  const errors = validateLabelSelector(selector, 'spec.selector');
  if (isEmptySelector(selector)) {
    errors.push(invalid('spec.selector', selector, `empty selector is invalid for ${kind}`));
  }
  return errors;
}

/** No selector selects nothing, so that it does not fit either; a broken one makes looking further pointless. */
function validateSelection(
  spec: JsonObject,
  template: JsonObject,
): { readonly broken: boolean; readonly errors: FieldError[] } {
  const { selector } = spec;
  const at = 'spec.template';
  if (!isJsonObject(selector)) {
    const labels = getPath(template, 'metadata', 'labels');
    const detail = '`selector` does not match template `labels`';
    return { broken: false, errors: [invalid(`${at}.metadata.labels`, labels, detail)] };
  }
  const broken = validateLabelSelector(selector, 'spec.selector').length > 0;
  return broken
    ? { broken, errors: [invalid('spec.selector', selector, 'invalid label selector')] }
    : { broken, errors: validateSelected(selector, template, at) };
}

export function validateReplicationController(controller: JsonObject): FieldError[] {
  const spec = objectAt(controller, 'spec');
  const selector = objectAt(spec, 'selector');
  const errors = notNegative(spec, 'spec', 'minReadySeconds');
  if (Object.keys(selector).length === 0) errors.push(required('spec.selector'));
  append(errors, notNegative(spec, 'spec', 'replicas'));
  const { template } = spec;
  if (!isJsonObject(template)) return [...errors, required('spec.template')];
  append(errors, validateSelected({ matchLabels: selector }, template, 'spec.template'));
  append(errors, validatePodTemplate(template, 'spec.template'));
  append(errors, validateLongRunning(template, 'spec.template', 'ReplicationController'));
  return errors;
}

function validateDeadline(spec: JsonObject): FieldError[] {
  const deadline = numberAt(spec, 'progressDeadlineSeconds');
  if (deadline === undefined || deadline > (numberAt(spec, 'minReadySeconds') ?? 0)) return [];
  return [invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds')];
}

const STRATEGY: readonly GoMember[] = [
  { name: 'type' },
  {
    name: 'rollingUpdate',
    zero: null,
    members: [
      { name: 'maxUnavailable', zero: 0 },
      { name: 'maxSurge', zero: 0 },
    ],
  },
];
const SET_UPDATE: readonly GoMember[] = [
  { name: 'partition', zero: 0 },
  { name: 'maxUnavailable', zero: null },
];
const SET_STRATEGY: readonly GoMember[] = [
  { name: 'type' },
  { name: 'rollingUpdate', zero: null, members: SET_UPDATE },
];

function validateStrategy(strategy: JsonObject): FieldError[] {
  const field = 'spec.strategy';
  const type = stringAt(strategy, 'type');
  if (type === 'Recreate') {
    return strategy['rollingUpdate'] === undefined
      ? []
      : [forbidden(`${field}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'")];
  }
  if (type !== 'RollingUpdate') {
    return [unsupported(field, goShown(strategy, STRATEGY), ['Recreate', 'RollingUpdate'])];
  }
  const at = `${field}.rollingUpdate`;
  const { maxUnavailable, maxSurge } = objectAt(strategy, 'rollingUpdate');
  const errors = [...amount(maxUnavailable, `${at}.maxUnavailable`), ...amount(maxSurge, `${at}.maxSurge`)];
  if (isZeroAmount(maxUnavailable) && isZeroAmount(maxSurge)) {
    errors.push(invalid(`${at}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
  }
  append(errors, atMostWhole(maxUnavailable, `${at}.maxUnavailable`));
  return errors;
}

export function validateStatefulSet(set: JsonObject): FieldError[] {
  return validateSetSpec(set, { isNew: true, templateIsOld: false });
}

/** The template with what the controller puts into its pods: a volume a claim, in the place of the template's own. */
function completeTemplate(spec: JsonObject): JsonObject {
  const template = objectAt(spec, 'template');
  const claims = objectsAt(spec, 'volumeClaimTemplates').map((claim) => stringAt(claim, 'metadata', 'name'));
  const { subdomain: _subdomain, hostname: _hostname, ...pod } = objectAt(template, 'spec');
  if (claims.length === 0) return { ...template, spec: pod };
  const volumes = [
    ...[...new Set(claims)].map((name) => ({ name, persistentVolumeClaim: { claimName: name } })),
    ...objectsAt(pod, 'volumes').filter((volume) => !claims.includes(stringAt(volume, 'name'))),
  ];
  return { ...template, spec: { ...pod, volumes } };
}

/** What upstream tolerates of sets that are there already: names of services, claims, and templates that are wrong. */
interface SetRules {
  readonly isNew: boolean;
  readonly templateIsOld: boolean;
}

function validateSetSpec(set: JsonObject, how: SetRules): FieldError[] {
  const { isNew } = how;
  const spec = objectAt(set, 'spec');
  const template = objectAt(spec, 'template');
  const errors = [
    ...validateManagement(spec),
    ...validateSetStrategy(objectAt(spec, 'updateStrategy')),
    ...['whenDeleted', 'whenScaled'].flatMap((key) =>
      oneOf(objectAt(spec, 'persistentVolumeClaimRetentionPolicy'), key, {
        field: 'spec.persistentVolumeClaimRetentionPolicy',
        supported: ['Retain', 'Delete'],
      }),
    ),
    ...(isNew
      ? objectsAt(spec, 'volumeClaimTemplates').flatMap((claim, index) =>
          validateClaimSpec(objectAt(claim, 'spec'), `spec.volumeClaimTemplates[${index}].spec`),
        )
      : []),
    ...notNegative(spec, 'spec', 'replicas', 'minReadySeconds'),
    ...notNegative(objectAt(spec, 'ordinals'), 'spec.ordinals', 'start'),
  ];
  const service = stringAt(spec, 'serviceName');
  if (isNew && service !== '') append(errors, formed(service, 'spec.serviceName', dns1123Label));
  append(errors, validateSelector(spec, 'statefulset'));
  const { selector } = spec;
  const broken = isJsonObject(selector) && validateLabelSelector(selector, '').length > 0;
  if (broken) errors.push(invalid('spec.selector', selector, ''));
  else {
    // No selector selects nothing, an empty one is passed over here.
    if (!isEmptySelector(objectAt(spec, 'selector')) || !isJsonObject(selector)) {
      append(errors, validateSelection(spec, template).errors);
    }
    if (!how.templateIsOld) append(errors, validatePodTemplate(completeTemplate(spec), 'spec.template'));
    append(errors, validateTemplateMetadata(template, 'spec.template'));
  }
  return [...errors, ...validateLongRunning(template, 'spec.template', 'StatefulSet')];
}

function validateManagement(spec: JsonObject): FieldError[] {
  const policy = stringAt(spec, 'podManagementPolicy');
  if (policy === '') return [required('spec.podManagementPolicy')];
  return policy === 'OrderedReady' || policy === 'Parallel'
    ? []
    : [invalid('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'")];
}

function validateSetStrategy(strategy: JsonObject): FieldError[] {
  const field = 'spec.updateStrategy';
  const type = stringAt(strategy, 'type');
  const { rollingUpdate } = strategy;
  if (type === 'OnDelete') {
    return rollingUpdate === undefined
      ? []
      : [
          invalid(
            `${field}.rollingUpdate`,
            goShown(objectAt(strategy, 'rollingUpdate'), SET_UPDATE),
            "only allowed for updateStrategy 'RollingUpdate'",
          ),
        ];
  }
  if (type !== 'RollingUpdate') {
    return type === ''
      ? [required(field)]
      : [invalid(field, goShown(strategy, SET_STRATEGY), "must be 'RollingUpdate' or 'OnDelete'")];
  }
  const values = objectAt(strategy, 'rollingUpdate');
  const at = `${field}.rollingUpdate`;
  const { maxUnavailable } = values;
  const errors = [...notNegative(values, at, 'partition'), ...amount(maxUnavailable, `${at}.maxUnavailable`)];
  if (maxUnavailable !== undefined && isZeroAmount(maxUnavailable)) {
    errors.push(invalid(`${at}.maxUnavailable`, maxUnavailable, 'cannot be 0'));
  }
  append(errors, atMostWhole(maxUnavailable, `${at}.maxUnavailable`));
  return errors;
}

const SET_CHANGES = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
];

export function validateStatefulSetUpdate(set: JsonObject, old: JsonObject): FieldError[] {
  const wasWrong = validateSetSpec(old, { isNew: false, templateIsOld: false }).length > 0;
  return [...validateSetSpec(set, { isNew: false, templateIsOld: wasWrong }), ...validateFixed(set, old)];
}

function validateFixed(set: JsonObject, old: JsonObject): FieldError[] {
  const fixed = (object: JsonObject): JsonObject =>
    Object.fromEntries(
      Object.entries(objectAt(object, 'spec')).filter(([key]) => !SET_CHANGES.includes(key)),
    );
  if (jsonEqual(fixed(set), fixed(old))) return [];
  const listed = SET_CHANGES.map((name) => `'${name}'`);
  const names = `${listed.slice(0, -1).join(', ')} and ${listed.at(-1) ?? ''}`;
  return [forbidden('spec', `updates to statefulset spec for fields other than ${names} are forbidden`)];
}

export function validateDaemonSet(set: JsonObject): FieldError[] {
  const spec = objectAt(set, 'spec');
  const template = objectAt(spec, 'template');
  const selector = isJsonObject(spec['selector']) ? spec['selector'] : undefined;
  const errors = selector === undefined ? [] : validateLabelSelector(selector, 'spec.selector');
  // Unlike elsewhere, a broken selector is passed over here.
  if (errors.length === 0) append(errors, validateSelection(spec, template).errors);
  if (selector !== undefined && isEmptySelector(selector)) {
    errors.push(invalid('spec.selector', selector, 'empty selector is invalid for daemonset'));
  }
  append(errors, validatePodTemplate(template, 'spec.template'));
  append(errors, validateLongRunning(template, 'spec.template', 'DaemonSet'));
  append(errors, notNegative(spec, 'spec', 'minReadySeconds'));
  append(errors, validateDaemonStrategy(objectAt(spec, 'updateStrategy')));
  append(errors, notNegative(spec, 'spec', 'revisionHistoryLimit'));
  return errors;
}

/** Unlike elsewhere, what may not change comes first. */
export function validateDaemonSetUpdate(set: JsonObject, old: JsonObject): FieldError[] {
  return [...validateWorkloadUpdate(set, old), ...validateDaemonSet(set)];
}

function validateDaemonStrategy(strategy: JsonObject): FieldError[] {
  const field = 'spec.updateStrategy';
  const type = stringAt(strategy, 'type');
  if (type === 'OnDelete') return [];
  if (type !== 'RollingUpdate') {
    return [unsupported(field, goShown(strategy, STRATEGY), ['RollingUpdate', 'OnDelete'])];
  }
  const at = `${field}.rollingUpdate`;
  if (!isJsonObject(strategy['rollingUpdate'])) return [required(at)];
  const { maxUnavailable, maxSurge } = strategy['rollingUpdate'];
  const errors = [
    ...amount(maxUnavailable, `${at}.maxUnavailable`),
    ...amount(maxSurge, `${at}.maxSurge`),
    ...atMostWhole(maxUnavailable, `${at}.maxUnavailable`),
    ...atMostWhole(maxSurge, `${at}.maxSurge`),
  ];
  const [unavailable, surge] = [!isZeroAmount(maxUnavailable), !isZeroAmount(maxSurge)];
  if (unavailable && surge) {
    errors.push(invalid(`${at}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero'));
  } else if (!unavailable && !surge) {
    errors.push(required(`${at}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'));
  }
  return errors;
}

export function validateControllerRevisionCreate(revision: JsonObject): FieldError[] {
  const { data } = revision;
  if (data === undefined || data === null) return [required('data', 'data is mandatory')];
  return isJsonObject(data) ? [] : [required('data', 'data must be a valid JSON object')];
}

export function validateControllerRevision(revision: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  const number = numberAt(revision, 'revision') ?? 0;
  if (number < 0) errors.push(invalid('revision', number, NOT_NEGATIVE));
  return errors;
}

export function validateControllerRevisionUpdate(revision: JsonObject, old: JsonObject): FieldError[] {
  return unchanged(revision, old, 'data');
}
