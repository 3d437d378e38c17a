import { forbidden, invalid, unsupported, type FieldError } from '../field-error.ts';
import { getPath, listAt, objectAt, stringAt, type JsonObject } from '../json.ts';
import { selectorFromObject, type Labels } from '../selector.ts';
import { validateAnnotations, validateLabels } from './metadata.ts';
import { validatePodSpec } from './pod-spec.ts';

export interface TemplateRules {
  readonly field: string;
  /** Names of volumes that the pods get from elsewhere: claims of a stateful set. */
  readonly volumes?: readonly string[];
}

/** Labels, annotations and spec of a pod template. */
export function validatePodTemplate(
  template: JsonObject,
  { field, volumes = [] }: TemplateRules,
): FieldError[] {
  const errors = [
    ...validateLabels(getPath(template, 'metadata', 'labels'), `${field}.labels`),
    ...validateAnnotations(getPath(template, 'metadata', 'annotations'), `${field}.annotations`),
    ...validatePodSpec(objectAt(template, 'spec'), `${field}.spec`, { volumes }),
  ];
  if (listAt(template, 'spec', 'ephemeralContainers').length > 0) {
    errors.push(
      forbidden(`${field}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'),
    );
  }
  return errors;
}

/** Pods that are kept running restart always and have no deadline. */
export function validateLongRunning(template: JsonObject, field: string, kind: string): FieldError[] {
  const errors: FieldError[] = [];
  const restartPolicy = stringAt(template, 'spec', 'restartPolicy');
  if (restartPolicy === 'OnFailure' || restartPolicy === 'Never') {
    errors.push(unsupported(`${field}.spec.restartPolicy`, restartPolicy, ['Always']));
  }
  if (getPath(template, 'spec', 'activeDeadlineSeconds') !== undefined) {
    errors.push(
      forbidden(`${field}.spec.activeDeadlineSeconds`, `activeDeadlineSeconds in ${kind} is not Supported`),
    );
  }
  return errors;
}

/** What a selector selects must be what its template makes. */
export function validateSelected(
  selector: JsonObject | undefined,
  template: JsonObject,
  field: string,
): FieldError[] {
  const labels = objectAt(template, 'metadata', 'labels');
  const matcher = selectorFromObject(selector);
  return matcher.matches(labels as Labels)
    ? []
    : [invalid(`${field}.metadata.labels`, labels, '`selector` does not match template `labels`')];
}
