import { duplicate, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import { listAt, numberAt, objectAt, objectsAt, stringAt, textOf, type JsonObject } from '../json.ts';
import { dns1123Subdomain } from './names.ts';

const USAGES = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
];
const MIN_SECONDS = 600;
const PEM = /^-----BEGIN CERTIFICATE REQUEST-----\r?\n[A-Za-z0-9+/=\s]+-----END CERTIFICATE REQUEST-----\s*/m;

export function validateSigningRequest(request: JsonObject): FieldError[] {
  const spec = objectAt(request, 'spec');
  const errors: FieldError[] = [];
  const pem = stringAt(spec, 'request');
  if (!PEM.test(Buffer.from(pem, 'base64').toString('latin1'))) {
    errors.push(invalid('spec.request', pem, 'PEM block type must be CERTIFICATE REQUEST'));
  }
  errors.push(...validateUsages(spec), ...validateSigner(stringAt(spec, 'signerName')));
  const seconds = numberAt(spec, 'expirationSeconds');
  if (seconds !== undefined && seconds < MIN_SECONDS) {
    const detail = `may not specify a duration less than ${MIN_SECONDS} seconds (10 minutes)`;
    errors.push(invalid('spec.expirationSeconds', seconds, detail));
  }
  return [...errors, ...validateConditions(request)];
}

function validateUsages(spec: JsonObject): FieldError[] {
  const usages = listAt(spec, 'usages').map((usage) => textOf(usage));
  if (usages.length === 0) return [required('spec.usages')];
  return usages.flatMap((usage, index) => {
    const at = `spec.usages[${index}]`;
    if (!USAGES.includes(usage)) return [unsupported(at, usage, USAGES)];
    return usages.indexOf(usage) < index ? [duplicate(at, usage)] : [];
  });
}

function validateSigner(name: string): FieldError[] {
  const at = 'spec.signerName';
  if (name === '') return [required(at)];
  if (name === 'kubernetes.io/legacy-unknown') {
    return [invalid(at, name, 'the legacy signerName is not allowed via this API version')];
  }
  const [domain = '', path = '', ...more] = name.split('/');
  if (domain === '' || path === '' || more.length > 0) {
    const detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
    return [invalid(at, name, detail)];
  }
  const errors = dns1123Subdomain(domain).map((detail) =>
    invalid(at, domain, `validating label "${domain}": ${detail}`),
  );
  if (!domain.includes('.')) {
    errors.push(invalid(at, domain, 'should be a domain with at least two segments separated by dots'));
  }
  return [
    ...errors,
    ...dns1123Subdomain(path).map((detail) => invalid(at, path, `validating label "${path}": ${detail}`)),
  ];
}

/** Answers are yes, once, and not both yes and no. */
function validateConditions(request: JsonObject): FieldError[] {
  const seen = new Set<string>();
  return objectsAt(request, 'status', 'conditions').flatMap((condition, index) => {
    const at = `status.conditions[${index}]`;
    const type = stringAt(condition, 'type');
    const status = stringAt(condition, 'status');
    const errors: FieldError[] = [];
    if (type === '') errors.push(required(`${at}.type`));
    if (status === '') errors.push(required(`${at}.status`));
    else if (['Approved', 'Denied', 'Failed'].includes(type)) {
      if (status !== 'True') errors.push(unsupported(`${at}.status`, status, ['True']));
    } else if (!['True', 'False', 'Unknown'].includes(status)) {
      errors.push(unsupported(`${at}.status`, status, ['False', 'True', 'Unknown']));
    }
    if (seen.has(type)) errors.push(duplicate(`${at}.type`, type));
    const opposite = { Approved: 'Denied', Denied: 'Approved' }[type];
    if (opposite !== undefined && seen.has(opposite)) {
      errors.push(invalid(`${at}.type`, type, 'Approved and Denied conditions are mutually exclusive'));
    }
    seen.add(type);
    return errors;
  });
}

/** What has been answered and signed stays so. */
export function validateSigningRequestUpdate(request: JsonObject, old: JsonObject): FieldError[] {
  const before = objectsAt(old, 'status', 'conditions');
  const now = objectsAt(request, 'status', 'conditions');
  const errors: FieldError[] = [];
  for (const type of ['Approved', 'Denied']) {
    const had = before.some((condition) => condition['type'] === type);
    if (had && !now.some((condition) => condition['type'] === type)) {
      const detail = `updates may not remove a condition of type "${type}"`;
      errors.push({ type: 'Forbidden', field: 'status.conditions', detail });
    }
  }
  const certificate = stringAt(request, 'status', 'certificate');
  const was = stringAt(old, 'status', 'certificate');
  if (was !== '' && certificate !== was) {
    const detail = 'updates may not modify existing certificate content';
    errors.push({ type: 'Forbidden', field: 'status.certificate', detail });
  }
  return errors;
}
