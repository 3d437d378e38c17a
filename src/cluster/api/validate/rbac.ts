import { append } from '../../../base/append.ts';
import { invalid, required, unsupported, type FieldError } from '../field-error.ts';
import { jsonEqual, listAt, objectAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import { validateLabelSelector } from './label-selector.ts';
import { dns1123Subdomain, pathSegment } from './names.ts';

const RBAC = 'rbac.authorization.k8s.io';

export function validateRole(role: JsonObject): FieldError[] {
  return objectsAt(role, 'rules').flatMap((rule, index) => validateRule(rule, `rules[${index}]`, true));
}

export function validateClusterRole(role: JsonObject): FieldError[] {
  const rules = objectsAt(role, 'rules').flatMap((rule, index) =>
    validateRule(rule, `rules[${index}]`, false),
  );
  const aggregation = role['aggregationRule'];
  if (aggregation === undefined) return rules;
  const selectors = objectsAt(role, 'aggregationRule', 'clusterRoleSelectors');
  if (selectors.length === 0) {
    return [
      ...rules,
      required(
        'aggregationRule.clusterRoleSelectors',
        'at least one clusterRoleSelector required if aggregationRule is non-nil',
      ),
    ];
  }
  return [
    ...rules,
    ...selectors.flatMap((selector, index) => {
      const at = `aggregationRule.clusterRoleSelectors[${index}]`;
      const complaints = validateLabelSelector(selector, at);
      return complaints.length === 0
        ? []
        : [...complaints, invalid(at, undefined, 'invalid label selector.')];
    }),
  ];
}

function validateRule(rule: JsonObject, path: string, namespaced: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const has = (name: string): boolean => listAt(rule, name).length > 0;
  if (!has('verbs')) errors.push(required(`${path}.verbs`, 'verbs must contain at least one value'));
  if (has('nonResourceURLs')) {
    const field = `${path}.nonResourceURLs`;
    const value = listAt(rule, 'nonResourceURLs');
    if (namespaced) {
      errors.push(invalid(field, value, 'namespaced rules cannot apply to non-resource URLs'));
    }
    if (has('apiGroups') || has('resources') || has('resourceNames')) {
      errors.push(
        invalid(field, value, 'rules cannot apply to both regular resources and non-resource URLs'),
      );
    }
    return errors;
  }
  if (!has('apiGroups'))
    errors.push(required(`${path}.apiGroups`, 'resource rules must supply at least one api group'));
  if (!has('resources'))
    errors.push(required(`${path}.resources`, 'resource rules must supply at least one resource'));
  return errors;
}

export function validateRoleBinding(binding: JsonObject): FieldError[] {
  return [
    ...validateRoleRef(binding, ['Role', 'ClusterRole']),
    ...objectsAt(binding, 'subjects').flatMap((subject, index) =>
      validateSubject(subject, `subjects[${index}]`, true),
    ),
  ];
}

export function validateClusterRoleBinding(binding: JsonObject): FieldError[] {
  return [
    ...validateRoleRef(binding, ['ClusterRole']),
    ...objectsAt(binding, 'subjects').flatMap((subject, index) =>
      validateSubject(subject, `subjects[${index}]`, false),
    ),
  ];
}

function validateRoleRef(binding: JsonObject, kinds: readonly string[]): FieldError[] {
  const role = objectAt(binding, 'roleRef');
  const errors: FieldError[] = [];
  const group = stringAt(role, 'apiGroup');
  if (group !== RBAC) errors.push(unsupported('roleRef.apiGroup', group, [RBAC]));
  if (!kinds.includes(stringAt(role, 'kind'))) {
    errors.push(unsupported('roleRef.kind', role['kind'] ?? '', kinds));
  }
  const name = stringAt(role, 'name');
  if (name === '') errors.push(required('roleRef.name'));
  else
    append(
      errors,
      pathSegment(name).map((detail) => invalid('roleRef.name', name, detail)),
    );
  return errors;
}

function validateSubject(subject: JsonObject, path: string, namespaced: boolean): FieldError[] {
  const name = stringAt(subject, 'name');
  const group = stringAt(subject, 'apiGroup');
  const kind = stringAt(subject, 'kind');
  const errors = name === '' ? [required(`${path}.name`)] : [];
  if (kind === 'ServiceAccount') {
    if (name !== '') {
      append(
        errors,
        dns1123Subdomain(name).map((detail) => invalid(`${path}.name`, name, detail)),
      );
    }
    if (group !== '') errors.push(unsupported(`${path}.apiGroup`, group, ['']));
    if (!namespaced && stringAt(subject, 'namespace') === '') errors.push(required(`${path}.namespace`));
  } else if (kind === 'User' || kind === 'Group') {
    if (group !== RBAC) errors.push(unsupported(`${path}.apiGroup`, group, [RBAC]));
  } else {
    errors.push(unsupported(`${path}.kind`, kind, ['ServiceAccount', 'User', 'Group']));
  }
  return errors;
}

/** A binding is to one role for good: who may change subjects must not be able to hand out another. */
export function validateRoleBindingUpdate(binding: JsonObject, old: JsonObject): FieldError[] {
  if (jsonEqual(binding['roleRef'], old['roleRef'])) return [];
  const role = objectAt(binding, 'roleRef');
  // Shown as upstream's own form of it, which has Go's names.
  const shown = {
    APIGroup: stringAt(role, 'apiGroup'),
    Kind: stringAt(role, 'kind'),
    Name: stringAt(role, 'name'),
  };
  return [invalid('roleRef', shown, 'cannot change roleRef')];
}
