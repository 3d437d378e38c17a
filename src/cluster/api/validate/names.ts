import { isIP } from 'node:net';
import { append } from '../../../base/append.ts';

/** Kubernetes' forms of names, with its words for what breaks them. Each check returns the complaints, mostly none. */
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const RFC1035_LABEL = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const QUALIFIED = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;

/** Upstream counts the names of labels and annotations in bytes and the others in characters; it means bytes. */
function tooLong(maximum: number, unit = 'characters'): string {
  return `must be no more than ${maximum} ${unit}`;
}

function mismatch(what: string, pattern: string, example: string): string {
  return `${what} (e.g. ${example}, regex used for validation is '${pattern}')`;
}

export function dns1123Label(value: string): string[] {
  if (value.length <= 63 && LABEL.test(value)) return [];
  const long = value.length > 63 ? [tooLong(63)] : [];
  if (!LABEL.test(value) && SUBDOMAIN.test(value)) return [...long, 'must not contain dots'];
  return [
    ...long,
    ...(LABEL.test(value)
      ? []
      : [
          mismatch(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
            '[a-z0-9]([-a-z0-9]*[a-z0-9])?',
            "'my-name',  or '123-abc'",
          ),
        ]),
  ];
}

export function dns1123Subdomain(value: string): string[] {
  if (value.length <= 253 && SUBDOMAIN.test(value)) return [];
  return [
    ...(value.length > 253 ? [tooLong(253)] : []),
    ...(SUBDOMAIN.test(value)
      ? []
      : [
          mismatch(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            String.raw`[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*`,
            "'example.com'",
          ),
        ]),
  ];
}

export function dns1035Label(value: string): string[] {
  if (value.length <= 63 && RFC1035_LABEL.test(value)) return [];
  return [
    ...(value.length > 63 ? [tooLong(63)] : []),
    ...(RFC1035_LABEL.test(value)
      ? []
      : [
          mismatch(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
            '[a-z]([-a-z0-9]*[a-z0-9])?',
            "'my-name',  or 'abc-123'",
          ),
        ]),
  ];
}

export function pathSegment(value: string): string[] {
  return value === '.' || value === '..' ? [`may not be '${value}'`] : pathSegmentPrefix(value);
}

export function pathSegmentPrefix(value: string): string[] {
  return ['/', '%'].filter((part) => value.includes(part)).map((part) => `may not contain '${part}'`);
}

const QUALIFIED_FORM = mismatch(
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]',
  "'MyName',  or 'my.name',  or '123-abc'",
);

export function qualifiedName(value: string): string[] {
  if (value.length <= 63 && QUALIFIED.test(value)) return [];
  const slash = value.indexOf('/');
  const name = slash === -1 ? value : value.slice(slash + 1);
  const errors: string[] = [];
  if (name.includes('/')) {
    return [
      `a valid label key ${QUALIFIED_FORM} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  if (slash !== -1) {
    const prefix = value.slice(0, slash);
    if (prefix === '') errors.push('prefix part must be non-empty');
    else
      append(
        errors,
        dns1123Subdomain(prefix).map((error) => `prefix part ${error}`),
      );
  }
  if (name === '') errors.push('name part must be non-empty');
  else if (name.length > 63) errors.push(`name part ${tooLong(63, 'bytes')}`);
  if (!QUALIFIED.test(name)) errors.push(`name part ${QUALIFIED_FORM}`);
  return errors;
}

export function labelValue(value: string): string[] {
  if (value.length <= 63 && LABEL_VALUE.test(value)) return [];
  return [
    ...(value.length > 63 ? [tooLong(63, 'bytes')] : []),
    ...(LABEL_VALUE.test(value)
      ? []
      : [
          mismatch(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?',
            "'MyValue',  or 'my_value',  or '12345'",
          ),
        ]),
  ];
}

/** IANA service names, for ports. */
export function portName(value: string): string[] {
  const errors: string[] = [];
  if (value.length > 15) errors.push('must be no more than 15 characters');
  if (!/^[-a-z0-9]+$/.test(value))
    errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(value)) errors.push('must contain at least one letter (a-z)');
  if (value.includes('--')) errors.push('must not contain consecutive hyphens');
  if (value.startsWith('-') || value.endsWith('-')) errors.push('must not begin or end with a hyphen');
  return errors;
}

export function portNumber(value: number): string[] {
  return value >= 1 && value <= 65_535 ? [] : ['must be between 1 and 65535, inclusive'];
}

export function envVarName(value: string): string[] {
  if (value === '') return ['environment variable name must be non-empty'];
  // Printable ASCII without '='.
  return /^[ -<>-~]+$/.test(value)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

/** Keys of config maps and secrets. */
export function dataKey(value: string): string[] {
  const errors: string[] = [];
  if (value.length > 253) errors.push(tooLong(253));
  if (!/^[-._a-zA-Z0-9]+$/.test(value)) {
    errors.push(
      mismatch(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        '[-._a-zA-Z0-9]+',
        "'key.name',  or 'KEY_NAME',  or 'key-name'",
      ),
    );
  }
  if (value === '.' || value === '..') errors.push(`must not be '${value}'`);
  else if (value.startsWith('..')) errors.push("must not start with '..'");
  return errors;
}

/** `*.example.com`. */
export function wildcardSubdomain(value: string): string[] {
  const pattern = String.raw`\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*`;
  const long = value.length > 253 ? [tooLong(253)] : [];
  return value.startsWith('*.') && SUBDOMAIN.test(value.slice(2))
    ? long
    : [
        ...long,
        mismatch(
          "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
          pattern,
          "'*.example.com'",
        ),
      ];
}

/** An address in the form in which it is always written. */
export function ipAddress(value: string): string[] {
  const family = isIP(value);
  if (family === 0) return ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'];
  const canonical = family === 6 ? new URL(`http://[${value}]`).hostname.slice(1, -1) : value;
  return canonical === value ? [] : [`must be in canonical form ("${canonical}")`];
}

/** Names of headers that probes send. */
export function httpHeaderName(value: string): string[] {
  return /^[-A-Za-z0-9]+$/.test(value)
    ? []
    : [
        mismatch(
          "a valid HTTP header must consist of alphanumeric characters or '-'",
          '[-A-Za-z0-9]+',
          "'X-Header-Name'",
        ),
      ];
}

/** Domains to search: underscores are usual in them. */
export function searchDomain(value: string): string[] {
  return [
    ...(value.length > 253 ? [tooLong(253)] : []),
    ...(/^_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*$/.test(value)
      ? []
      : [
          mismatch(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
            String.raw`_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*`,
            "'example.com'",
          ),
        ]),
  ];
}

/** The rule for a name that something will be appended to: it may end in a dash. */
export function asPrefix(rule: (value: string) => string[]): (value: string) => string[] {
  if (rule === pathSegment) return pathSegmentPrefix;
  return (value) => rule(value.length > 1 && value.endsWith('-') ? `${value.slice(0, -2)}a` : value);
}
