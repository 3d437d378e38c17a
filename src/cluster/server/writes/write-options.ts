/** CreateOptions, UpdateOptions, PatchOptions and DeleteOptions of meta/v1: what may not be asked for, in upstream's words. */
import { forbidden, invalid, required, unsupported, type FieldError } from '../../api/field-error.ts';
import type { ApiRequest } from '../../api/transport.ts';
import { managerErrors } from '../../api/validate/metadata.ts';
import { invalidObject } from '../failure.ts';
import type { RequestInfo } from '../request-info.ts';

const POLICIES = ['Background', 'Foreground', 'Orphan'];

const KINDS: Readonly<Record<string, string>> = {
  create: 'CreateOptions',
  update: 'UpdateOptions',
  patch: 'PatchOptions',
};

/** It has options of its own in its query. */
export function isWrite({ verb }: RequestInfo): boolean {
  return Object.hasOwn(KINDS, verb);
}

/** Checks the query of a write; of other requests nothing. */
export function checkWriteOptions({ verb, query }: RequestInfo, request: ApiRequest): void {
  const kind = KINDS[verb];
  if (kind === undefined) return;
  const ofPatch = verb === 'patch' ? patchErrors(query, request.headers['content-type']) : [];
  if (query.size === 0 && ofPatch.length === 0) return;
  const errors = [
    ...ofPatch,
    ...managerErrors(query.get('fieldManager') ?? '', 'fieldManager'),
    ...dryRunErrors(query.getAll('dryRun')),
    ...validationErrors(query.get('fieldValidation') ?? ''),
  ];
  refuse(kind, errors);
}

/** Those of a DeleteOptions in the body or in the query. */
export function checkDeleteOptions(options: {
  readonly propagationPolicy?: string | undefined;
  readonly orphanDependents?: boolean | undefined;
  readonly dryRun: readonly string[];
}): void {
  const { propagationPolicy: policy, orphanDependents, dryRun } = options;
  const field = 'propagationPolicy';
  const errors: FieldError[] = [];
  if (orphanDependents !== undefined && policy !== undefined) {
    const why = 'orphanDependents and deletionPropagation cannot be both set';
    errors.push(invalid(field, policy, why));
  }
  if (policy !== undefined && !POLICIES.includes(policy))
    errors.push(unsupported(field, policy, ['Foreground', 'Background', 'Orphan', 'nil']));
  refuse('DeleteOptions', [...errors, ...dryRunErrors(dryRun)]);
}

function refuse(kind: string, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalidObject({ group: 'meta.k8s.io', kind, name: '' }, errors);
}

function patchErrors(query: URLSearchParams, contentType = ''): FieldError[] {
  if (/^\s*application\/apply-patch\+yaml\s*(;|$)/i.test(contentType)) {
    const manager = query.get('fieldManager') ?? '';
    return manager === '' ? [required('fieldManager', 'is required for apply patch')] : [];
  }
  return query.has('force') ? [forbidden('force', 'may not be specified for non-apply patch')] : [];
}

const VALIDATIONS = ['', 'Ignore', 'Strict', 'Warn'];

function validationErrors(value: string): FieldError[] {
  return VALIDATIONS.includes(value) ? [] : [unsupported('fieldValidation', value, VALIDATIONS)];
}

function dryRunErrors(values: readonly string[]): FieldError[] {
  return values.every((value) => value === 'All') ? [] : [unsupported('dryRun', [...values], ['All'])];
}
