import { X509Certificate } from 'node:crypto';
import { append } from '../../../base/append.ts';
import {
  duplicate,
  forbidden,
  goQuote,
  invalid,
  required,
  unsupported,
  type FieldError,
} from '../field-error.ts';
import {
  jsonEqual,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
} from '../json.ts';
import { signerName } from './certificate-names.ts';

/** certificates.k8s.io/v1 KeyUsage. */
export const KEY_USAGES = [
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
const LEGACY = 'kubernetes.io/legacy-unknown';
/** Conditions that are never taken back, and never false. */
const ANSWERS = ['Approved', 'Denied', 'Failed'];
const PEM = /^-----BEGIN CERTIFICATE REQUEST-----\r?\n[A-Za-z0-9+/=\s]+-----END CERTIFICATE REQUEST-----\s*/m;

/** What an object that is older than a rule already does wrong. */
interface Tolerated {
  readonly arbitraryCertificate: boolean;
  readonly bothAnswers: boolean;
  readonly duplicateTypes: boolean;
  readonly duplicateUsages: boolean;
  readonly emptyTypes: boolean;
  readonly legacySigner: boolean;
  readonly unknownUsages: boolean;
}

export function validateSigningRequest(request: JsonObject): FieldError[] {
  return validateRequest(request, tolerated(request, {}));
}

function tolerated(request: JsonObject, old: JsonObject): Tolerated {
  const types = objectsAt(old, 'status', 'conditions').map((condition) => stringAt(condition, 'type'));
  const usages = listAt(old, 'spec', 'usages').map((usage) => textOf(usage));
  const was = stringAt(old, 'status', 'certificate');
  return {
    arbitraryCertificate:
      stringAt(request, 'status', 'certificate') === was || certificateComplaint(was) !== undefined,
    bothAnswers: types.includes('Approved') && types.includes('Denied'),
    duplicateTypes: new Set(types).size < types.length,
    duplicateUsages: new Set(usages).size < usages.length,
    emptyTypes: types.includes(''),
    legacySigner: stringAt(old, 'spec', 'signerName') === LEGACY,
    unknownUsages: usages.some((usage) => !KEY_USAGES.includes(usage)),
  };
}

function validateRequest(request: JsonObject, may: Tolerated): FieldError[] {
  const spec = objectAt(request, 'spec');
  const errors: FieldError[] = [];
  const pem = stringAt(spec, 'request');
  if (!PEM.test(Buffer.from(pem, 'base64').toString('latin1'))) {
    errors.push(invalid('spec.request', spec['request'], 'PEM block type must be CERTIFICATE REQUEST'));
  }
  const signer = stringAt(spec, 'signerName');
  append(errors, validateUsages(spec, may));
  append(
    errors,
    signer === LEGACY && !may.legacySigner
      ? [invalid('spec.signerName', signer, 'the legacy signerName is not allowed via this API version')]
      : signerName(signer, 'spec.signerName'),
  );
  const seconds = numberAt(spec, 'expirationSeconds');
  if (seconds !== undefined && seconds < MIN_SECONDS) {
    const detail = `may not specify a duration less than ${MIN_SECONDS} seconds (10 minutes)`;
    errors.push(invalid('spec.expirationSeconds', seconds, detail));
  }
  append(errors, validateConditions(request, may));
  const complaint = certificateComplaint(stringAt(request, 'status', 'certificate'));
  if (complaint !== undefined && !may.arbitraryCertificate) {
    errors.push(invalid('status.certificate', '<certificate data>', complaint));
  }
  return errors;
}

function validateUsages(spec: JsonObject, may: Tolerated): FieldError[] {
  const usages = listAt(spec, 'usages').map((usage) => textOf(usage));
  if (usages.length === 0) return [required('spec.usages')];
  const unknown = usages.flatMap((usage, index) =>
    may.unknownUsages || KEY_USAGES.includes(usage)
      ? []
      : [unsupported(`spec.usages[${index}]`, usage, KEY_USAGES)],
  );
  const again = usages.flatMap((usage, index) =>
    may.duplicateUsages || usages.indexOf(usage) === index ? [] : [duplicate(`spec.usages[${index}]`, usage)],
  );
  return [...unknown, ...again];
}

const BLOCK = /-----BEGIN ([^\n-]*)-----\r?\n([^-]*)-----END \1-----/g;

/** A chain in PEM and nothing else, or nothing at all. */
function certificateComplaint(base64: string): string | undefined {
  if (base64 === '') return undefined;
  const blocks = [...Buffer.from(base64, 'base64').toString('latin1').matchAll(BLOCK)];
  if (blocks.length === 0) return 'must contain at least one CERTIFICATE PEM block';
  for (const [, type = '', body = ''] of blocks) {
    if (type !== 'CERTIFICATE') {
      return `only CERTIFICATE PEM blocks are allowed, found ${goQuote(type)}`;
    }
    if (body.includes(':')) return 'no PEM block headers are permitted';
    const der = Buffer.from(body, 'base64');
    if (der.length === 0) return 'found CERTIFICATE PEM block containing 0 certificates';
    if (!isCertificate(der)) return 'x509: malformed certificate';
  }
  return undefined;
}

function isCertificate(der: Buffer): boolean {
  try {
    return new X509Certificate(der).raw.length > 0;
  } catch {
    return false;
  }
}

/** Answers are yes, once, and not both yes and no. */
function validateConditions(request: JsonObject, may: Tolerated): FieldError[] {
  const seen = new Set<string>();
  return objectsAt(request, 'status', 'conditions').flatMap((condition, index) => {
    const at = `status.conditions[${index}]`;
    const type = stringAt(condition, 'type');
    const status = stringAt(condition, 'status');
    const allowed = ANSWERS.includes(type) ? ['True'] : ['False', 'True', 'Unknown'];
    const errors: FieldError[] = [];
    if (type === '' && !may.emptyTypes) errors.push(required(`${at}.type`));
    if (status === '') errors.push(required(`${at}.status`));
    else if (!allowed.includes(status)) errors.push(unsupported(`${at}.status`, status, allowed));
    const opposite = { Approved: 'Denied', Denied: 'Approved' }[type];
    if (opposite !== undefined && seen.has(opposite) && !may.bothAnswers) {
      errors.push(invalid(`${at}.type`, type, 'Approved and Denied conditions are mutually exclusive'));
    }
    if (seen.has(type) && !may.duplicateTypes) errors.push(duplicate(`${at}.type`, type));
    seen.add(type);
    return errors;
  });
}

function conditionsOf(request: JsonObject, type: string): JsonObject[] {
  return objectsAt(request, 'status', 'conditions').filter((condition) => condition['type'] === type);
}

/** Where a request may be answered, and where it may be signed. */
export type SigningWindow = 'approval' | 'main' | 'status';

/** What has been answered and signed stays so; who signs does not answer, and who answers does not sign. */
export function validateSigningRequestUpdate(
  window: SigningWindow,
): (request: JsonObject, old: JsonObject) => FieldError[] {
  return (request, old) => {
    const errors = validateRequest(request, tolerated(request, old));
    const at = 'status.conditions';
    for (const type of ANSWERS) {
      if (conditionsOf(request, type).length < conditionsOf(old, type).length) {
        errors.push(forbidden(at, `updates may not remove a condition of type "${type}"`));
      }
    }
    for (const type of window === 'approval' ? [] : ['Approved', 'Denied']) {
      const [now, was] = [conditionsOf(request, type), conditionsOf(old, type)];
      if (now.length < was.length || jsonEqual(now, was)) continue;
      const verb = now.length > was.length ? 'add' : 'modify';
      errors.push(forbidden(at, `updates may not ${verb} a condition of type "${type}"`));
    }
    const was = stringAt(old, 'status', 'certificate');
    if (stringAt(request, 'status', 'certificate') !== was) {
      if (window !== 'status') {
        errors.push(forbidden('status.certificate', 'updates may not set certificate content'));
      } else if (was !== '') {
        const detail = 'updates may not modify existing certificate content';
        errors.push(forbidden('status.certificate', detail));
      }
    }
    return errors;
  };
}
