/** Names of those who sign certificates, and of the bundles by which one knows them. */
import { append } from '../../../base/append.ts';
import { invalid, required, tooLong, type FieldError } from '../field-error.ts';
import { dns1123Label, dns1123Subdomain } from './names.ts';

const MAX_DOMAIN = 253;
/** A namespace, a dot and a name. */
const MAX_PATH = 63 + 1 + 253;

/** `example.com/signer`. */
export function signerName(name: string, at: string): FieldError[] {
  if (name === '') return [required(at)];
  const segments = name.split('/');
  const [domain = '', path = ''] = segments;
  if (segments.length !== 2) {
    const form = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
    return [invalid(at, name, form)];
  }
  const errors: FieldError[] = domain.length > MAX_DOMAIN ? [tooLong(at, MAX_DOMAIN)] : [];
  const labels = domain.split('.');
  append(
    errors,
    firstComplaint(labels, dns1123Label).map((why) => invalid(at, domain, why)),
  );
  if (labels.length < 2) {
    errors.push(invalid(at, domain, 'should be a domain with at least two segments separated by dots'));
  }
  append(
    errors,
    firstComplaint(path.split('.'), dns1123Subdomain).map((why) => invalid(at, path, why)),
  );
  const longest = MAX_DOMAIN + 1 + MAX_PATH;
  return name.length > longest ? [...errors, tooLong(at, longest)] : errors;
}

/** About the first wrong label; the others would say the same again. */
function firstComplaint(labels: readonly string[], rule: (label: string) => string[]): string[] {
  const wrong = labels.find((label) => rule(label).length > 0);
  return wrong === undefined ? [] : rule(wrong).map((why) => `validating label "${wrong}": ${why}`);
}

/** A bundle of a signer is called after it: `example.com:signer:name`. */
export function trustBundleName(name: string): string[] {
  const split = name.lastIndexOf(':');
  if (split === -1) return dns1123Subdomain(name);
  const signer = name.slice(0, split).replaceAll(':', '/');
  const prefix = `${signer.replaceAll('/', ':')}:`;
  if (signer === '') return ['ClusterTrustBundle without signer name must not have ":" in its name'];
  return dns1123Subdomain(name.slice(prefix.length));
}
