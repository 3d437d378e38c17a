import { duplicate, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import { listAt, numberAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import { validateContainer, type ContainerContext } from './container.ts';
import { validateLabels } from './metadata.ts';
import { dns1123Label, dns1123Subdomain, qualifiedName } from './names.ts';
import { validateVolumes } from './volumes.ts';

/** The spec of a pod or of a pod template, at `field`. */
export function validatePodSpec(spec: JsonObject, field: string): FieldError[] {
  const volumes = new Set(objectsAt(spec, 'volumes').map((volume) => stringAt(volume, 'name')));
  return [
    ...validateVolumes(objectsAt(spec, 'volumes'), `${field}.volumes`),
    ...validateContainers(spec, field, volumes),
    ...validateChoices(spec, field),
    ...validateNumbers(spec, field),
    ...validateNames(spec, field),
    ...validateLabels(spec['nodeSelector'], `${field}.nodeSelector`),
    ...validateTolerations(spec, field),
  ];
}

function validateContainers(spec: JsonObject, field: string, volumes: ReadonlySet<string>): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  if (listAt(spec, 'containers').length === 0) errors.push(required(`${field}.containers`));
  for (const list of ['containers', 'initContainers'] as const) {
    const hostPorts = new Set<string>();
    for (const [index, container] of objectsAt(spec, list).entries()) {
      const context: ContainerContext = {
        field: `${field}.${list}[${index}]`,
        volumes,
        init: list === 'initContainers',
        hostNetwork: spec['hostNetwork'] === true,
        hostPorts,
      };
      errors.push(...validateContainer(container, context));
      const name = stringAt(container, 'name');
      if (name !== '' && names.has(name)) errors.push(duplicate(`${context.field}.name`, name));
      names.add(name);
    }
  }
  return errors;
}

const CHOICES: Readonly<Record<string, readonly string[]>> = {
  restartPolicy: ['Always', 'OnFailure', 'Never'],
  dnsPolicy: ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'],
  preemptionPolicy: ['Never', 'PreemptLowerPriority'],
};

function validateChoices(spec: JsonObject, field: string): FieldError[] {
  return Object.entries(CHOICES).flatMap(([key, supported]) => {
    const value = stringAt(spec, key);
    return value === '' || supported.includes(value)
      ? []
      : [unsupported(`${field}.${key}`, value, supported)];
  });
}

function validateNumbers(spec: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const deadline = numberAt(spec, 'activeDeadlineSeconds');
  if (deadline !== undefined && (deadline < 1 || deadline > 2_147_483_647)) {
    errors.push(
      invalid(`${field}.activeDeadlineSeconds`, deadline, 'must be between 1 and 2147483647, inclusive'),
    );
  }
  const grace = numberAt(spec, 'terminationGracePeriodSeconds');
  if (grace !== undefined && grace < 0) {
    errors.push(
      invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must be greater than or equal to 0'),
    );
  }
  return errors;
}

function validateNames(spec: JsonObject, field: string): FieldError[] {
  const rules: readonly (readonly [string, (value: string) => string[]])[] = [
    ['serviceAccountName', dns1123Subdomain],
    ['nodeName', dns1123Subdomain],
    ['priorityClassName', dns1123Subdomain],
    ['runtimeClassName', dns1123Subdomain],
    ['hostname', dns1123Label],
    ['subdomain', dns1123Label],
  ];
  const errors = rules.flatMap(([key, rule]) => {
    const value = stringAt(spec, key);
    return value === '' ? [] : rule(value).map((detail) => invalid(`${field}.${key}`, value, detail));
  });
  for (const [index, secret] of objectsAt(spec, 'imagePullSecrets').entries()) {
    if (stringAt(secret, 'name') === '') {
      errors.push(required(`${field}.imagePullSecrets[${index}].name`));
    }
  }
  return errors;
}

const OPERATORS = ['Equal', 'Exists', 'Gt', 'Lt'];
const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

function validateTolerations(spec: JsonObject, field: string): FieldError[] {
  return objectsAt(spec, 'tolerations').flatMap((toleration, index) => {
    const at = `${field}.tolerations[${index}]`;
    const errors: FieldError[] = [];
    const key = stringAt(toleration, 'key');
    const operator = stringAt(toleration, 'operator');
    const effect = stringAt(toleration, 'effect');
    if (key !== '') errors.push(...qualifiedName(key).map((detail) => invalid(`${at}.key`, key, detail)));
    else if (operator !== 'Exists') {
      errors.push(
        invalid(
          `${at}.operator`,
          operator,
          'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        ),
      );
    }
    if (operator !== '' && !OPERATORS.includes(operator)) {
      errors.push(unsupported(`${at}.operator`, operator, OPERATORS));
    }
    if (operator === 'Exists' && stringAt(toleration, 'value') !== '') {
      errors.push(invalid(`${at}.operator`, toleration, "value must be empty when `operator` is 'Exists'"));
    }
    if (effect !== '' && !EFFECTS.includes(effect)) errors.push(unsupported(`${at}.effect`, effect, EFFECTS));
    if (toleration['tolerationSeconds'] !== undefined && effect !== 'NoExecute') {
      errors.push(
        invalid(`${at}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"),
      );
    }
    return errors;
  });
}
