/** Kubernetes' own groups are only for what was agreed upon (KEP-1111). */
import { goQuote, invalid, required, type FieldError } from '../field-error.ts';
import { stringAt, type JsonObject } from '../json.ts';

const APPROVED = 'api-approved.kubernetes.io';
const MUST = `protected groups must have approval annotation ${goQuote(APPROVED)}`;
const SEE = 'see https://github.com/kubernetes/enhancements/pull/1111';

interface Approval {
  readonly reason: 'ApprovedAnnotation' | 'InvalidAnnotation' | 'MissingAnnotation' | 'UnapprovedAnnotation';
  readonly message: string;
}

/** Undefined where nobody has to agree. */
export function approvalOf(definition: JsonObject): Approval | undefined {
  const group = `.${stringAt(definition, 'spec', 'group')}`;
  if (!group.endsWith('.k8s.io') && !group.endsWith('.kubernetes.io')) return undefined;
  const text = stringAt(definition, 'metadata', 'annotations', APPROVED);
  if (text === '') return { reason: 'MissingAnnotation', message: `${MUST}, ${SEE}` };
  if (text.startsWith('unapproved')) {
    return { reason: 'UnapprovedAnnotation', message: `not approved: ${goQuote(text)}` };
  }
  return /^[a-z][a-z0-9+.-]*:\/\/[^/]/i.test(text) && URL.canParse(text)
    ? { reason: 'ApprovedAnnotation', message: `approved in ${text}` }
    : {
        reason: 'InvalidAnnotation',
        message: `${MUST} with either a URL or a reason starting with "unapproved", ${SEE}`,
      };
}

export function validateApproval(definition: JsonObject, old: JsonObject | undefined): FieldError[] {
  const approval = approvalOf(definition);
  if (old !== undefined && approvalOf(old)?.reason === approval?.reason) return [];
  const at = `metadata.annotations[${APPROVED}]`;
  if (approval?.reason === 'MissingAnnotation') return [required(at, approval.message)];
  if (approval?.reason !== 'InvalidAnnotation') return [];
  return [invalid(at, stringAt(definition, 'metadata', 'annotations', APPROVED), approval.message)];
}
