import { forbidden, invalid, unsupported, type FieldError } from '../field-error.ts';
import { getPath, listAt, objectAt, stringAt, type JsonObject } from '../json.ts';
import { selectorFromObject, type Labels } from '../selector.ts';
import { validateAnnotations, validateLabels } from './metadata.ts';
import { validatePodAnnotations, validateProfilesMatch } from './pod-annotations.ts';
import { validatePodSpec } from './pod-spec.ts';

/** Labels, annotations and spec of a pod template, at `field`. */
export function validatePodTemplate(template: JsonObject, field: string): FieldError[] {
  const spec = objectAt(template, 'spec');
  const errors = [
    ...validateTemplateMetadata(template, field),
    ...validatePodSpec(spec, `${field}.spec`),
    ...validateProfilesMatch(objectAt(template, 'metadata', 'annotations'), spec, `${field}.spec`),
  ];
  if (listAt(spec, 'ephemeralContainers').length > 0) {
    errors.push(
      forbidden(`${field}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'),
    );
  }
  return errors;
}

/** All that upstream looks at in a stateful set's template, whose volumes are not all there yet. */
export function validateTemplateMetadata(template: JsonObject, field: string): FieldError[] {
  const annotations = objectAt(template, 'metadata', 'annotations');
  return [
    ...validateLabels(getPath(template, 'metadata', 'labels'), `${field}.labels`),
    ...validateAnnotations(annotations, `${field}.annotations`),
    ...validatePodAnnotations(annotations, objectAt(template, 'spec'), `${field}.annotations`),
  ];
}

/** Pods that are kept running restart always and have no deadline. */
export function validateLongRunning(template: JsonObject, field: string, kind: string): FieldError[] {
  const errors: FieldError[] = [];
  const restartPolicy = stringAt(template, 'spec', 'restartPolicy');
  if (restartPolicy !== 'Always') {
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
  const labels = getPath(template, 'metadata', 'labels');
  const matcher = selectorFromObject(selector);
  return matcher.matches(objectAt(template, 'metadata', 'labels') as Labels)
    ? []
    : [invalid(`${field}.metadata.labels`, labels, '`selector` does not match template `labels`')];
}
