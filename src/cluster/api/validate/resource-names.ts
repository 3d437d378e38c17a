/** Names of what is measured out: cpu, memory, counted objects, and resources that extend a node. */
import { invalid, type FieldError } from '../field-error.ts';
import { textOf, type JsonObject } from '../json.ts';
import { tryParseQuantity } from '../quantity.ts';
import { formed, NOT_NEGATIVE } from './checks.ts';
import { qualifiedName } from './names.ts';

const COMPUTE = ['cpu', 'memory', 'ephemeral-storage'];
/** Counted: only whole numbers of them. */
const COUNTED = [
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
];
const QUOTA = new Set([
  ...COMPUTE,
  ...COMPUTE.map((name) => `requests.${name}`),
  ...COMPUTE.map((name) => `limits.${name}`),
  'requests.storage',
  ...COUNTED,
]);

export function isHugePages(name: string): boolean {
  return name.startsWith('hugepages-');
}

/** Without a domain, or with one of Kubernetes' own. */
export function isNative(name: string): boolean {
  return !name.includes('/') || name.includes('kubernetes.io/');
}

export function isExtended(name: string): boolean {
  return !isNative(name) && !name.startsWith('requests.') && qualifiedName(`requests.${name}`).length === 0;
}

/** Requests may be less than limits. */
export function mayOvercommit(name: string): boolean {
  return isNative(name) && !isHugePages(name);
}

export function isStandardForQuota(name: string): boolean {
  return QUOTA.has(name) || isHugePages(name) || name.startsWith('requests.hugepages-');
}

export function validateResourceName(name: string, at: string): FieldError[] {
  const errors = formed(name, at, qualifiedName);
  if (errors.length > 0 || name.includes('/') || name === 'storage' || isStandardForQuota(name)) {
    return errors;
  }
  return [invalid(at, name, 'must be a standard resource type or fully qualified')];
}

/** What a container may ask for. */
export function validateContainerResourceName(name: string, at: string): FieldError[] {
  const errors = validateResourceName(name, at);
  if (!name.includes('/')) {
    if (!COMPUTE.includes(name) && !isHugePages(name)) {
      errors.push(invalid(at, name, 'must be a standard resource for containers'));
    }
  } else if (!isNative(name) && !isExtended(name)) {
    errors.push(invalid(at, name, "doesn't follow extended resource name standard"));
  }
  return errors;
}

export function validateQuotaResourceName(name: string, at: string): FieldError[] {
  const errors = validateResourceName(name, at);
  if (!name.includes('/') && !isStandardForQuota(name)) {
    errors.push(invalid(at, name, 'must be a standard resource for quota'));
  }
  return errors;
}

/** Not negative, and whole where the resource is counted. */
export function validateResourceQuantity(name: string, value: JsonObject[string], at: string): FieldError[] {
  const quantity = tryParseQuantity(textOf(value));
  if (quantity === undefined) return [];
  const errors = quantity.nano < 0n ? [invalid(at, textOf(value), NOT_NEGATIVE)] : [];
  const isCounted = COUNTED.includes(name) || isExtended(name);
  // To the thousandth, as upstream looks at it.
  if (isCounted && (quantity.nano / 1_000_000n) % 1000n !== 0n) {
    errors.push(invalid(at, textOf(value), 'must be an integer'));
  }
  return errors;
}
