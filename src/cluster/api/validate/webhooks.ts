/** Webhooks that admit, and how any webhook is reached. */
import { append } from '../../../base/append.ts';
import { duplicate, invalid, required, type FieldError } from '../field-error.ts';
import { listAt, numberAt, objectAt, objectsAt, stringAt, textOf, type JsonObject } from '../json.ts';
import {
  FAILURE_POLICIES,
  MATCH_POLICIES,
  validateConditions,
  validateRule,
  validateSelectors,
} from './admission.ts';
import { formed, oneOf } from './checks.ts';
import { dns1035Label, dns1123Subdomain } from './names.ts';

const REINVOCATION = ['IfNeeded', 'Never'];
const REVIEW_VERSIONS = ['v1', 'v1beta1'];

/** Rules that are younger than the object hold when it kept them before. */
interface WebhookRules {
  readonly mutating: boolean;
  readonly effects: readonly string[];
  readonly knownVersion: boolean;
  readonly uniqueNames: boolean;
}

const NO_EFFECTS = ['None', 'NoneOnDryRun'];
const ALL_EFFECTS = ['None', 'NoneOnDryRun', 'Some', 'Unknown'];

type Check = (configuration: JsonObject) => FieldError[];
type CheckUpdate = (configuration: JsonObject, old: JsonObject) => FieldError[];

export function validateWebhooks(mutating: boolean): Check {
  const rules = { mutating, effects: NO_EFFECTS, knownVersion: true, uniqueNames: true };
  return (configuration) => validateAll(configuration, rules);
}

export function validateWebhooksUpdate(mutating: boolean): CheckUpdate {
  return (configuration, old) => {
    const before = objectsAt(old, 'webhooks');
    const names = before.map((webhook) => stringAt(webhook, 'name'));
    const harmless = before.every((webhook) => NO_EFFECTS.includes(stringAt(webhook, 'sideEffects')));
    return validateAll(configuration, {
      mutating,
      effects: harmless ? NO_EFFECTS : ALL_EFFECTS,
      knownVersion: before.every((webhook) => knowsVersion(reviewVersions(webhook))),
      uniqueNames: new Set(names).size === names.length,
    });
  };
}

function validateAll(configuration: JsonObject, rules: WebhookRules): FieldError[] {
  const names = new Set<string>();
  return objectsAt(configuration, 'webhooks').flatMap((webhook, index) => {
    const at = `webhooks[${index}]`;
    const name = stringAt(webhook, 'name');
    const errors = [
      ...validateWebhook(webhook, at, rules),
      ...validateReviewVersions(webhook, at, rules.knownVersion),
    ];
    if (name !== '' && names.has(name) && rules.uniqueNames) errors.push(duplicate(`${at}.name`, name));
    names.add(name);
    return errors;
  });
}

function validateWebhook(webhook: JsonObject, at: string, rules: WebhookRules): FieldError[] {
  const errors = [
    ...fullyQualified(stringAt(webhook, 'name'), `${at}.name`),
    ...objectsAt(webhook, 'rules').flatMap((rule, index) => validateRule(rule, `${at}.rules[${index}]`)),
    ...oneOf(webhook, 'failurePolicy', { field: at, supported: FAILURE_POLICIES, emptyToo: true }),
    ...oneOf(webhook, 'matchPolicy', { field: at, supported: MATCH_POLICIES, emptyToo: true }),
  ];
  if (webhook['sideEffects'] === undefined) {
    errors.push(required(`${at}.sideEffects`, `must specify one of ${rules.effects.join(', ')}`));
  } else
    append(errors, oneOf(webhook, 'sideEffects', { field: at, supported: rules.effects, emptyToo: true }));
  const seconds = numberAt(webhook, 'timeoutSeconds');
  if (seconds !== undefined && (seconds > 30 || seconds < 1)) {
    const detail = 'the timeout value must be between 1 and 30 seconds';
    errors.push(invalid(`${at}.timeoutSeconds`, seconds, detail));
  }
  return [
    ...errors,
    ...validateSelectors(webhook, at),
    ...(rules.mutating
      ? oneOf(webhook, 'reinvocationPolicy', { field: at, supported: REINVOCATION, emptyToo: true })
      : []),
    ...validateClient(objectAt(webhook, 'clientConfig'), `${at}.clientConfig`),
    ...validateConditions(webhook, at),
  ];
}

function fullyQualified(name: string, at: string): FieldError[] {
  if (name === '') return [required(at)];
  const wrong = dns1123Subdomain(name);
  if (wrong.length > 0) return [invalid(at, name, wrong.join(','))];
  return name.split('.').length < 3
    ? [invalid(at, name, 'should be a domain with at least three segments separated by dots')]
    : [];
}

function reviewVersions(webhook: JsonObject): string[] {
  return listAt(webhook, 'admissionReviewVersions').map((version) => textOf(version));
}

function knowsVersion(versions: readonly string[]): boolean {
  return versions.length === 0 || versions.some((version) => REVIEW_VERSIONS.includes(version));
}

function validateReviewVersions(webhook: JsonObject, at: string, known: boolean): FieldError[] {
  const field = `${at}.admissionReviewVersions`;
  const versions = reviewVersions(webhook);
  const all = REVIEW_VERSIONS.join(', ');
  if (versions.length === 0) return [required(field, `must specify one of ${all}`)];
  const errors = versions.flatMap((version, index) => {
    const here = `${field}[${index}]`;
    if (versions.indexOf(version) < index) return [invalid(here, version, 'duplicate version')];
    return formed(version, here, dns1035Label);
  });
  if (known && !knowsVersion(versions)) {
    errors.push(invalid(field, versions, `must include at least one of ${all}`));
  }
  return errors;
}

/** How a webhook is reached: also for conversion, audit and the like. */
export function validateClient(client: JsonObject, at: string): FieldError[] {
  const { url, service } = client;
  if ((url === undefined) === (service === undefined)) {
    return [required(at, 'exactly one of url or service is required')];
  }
  return typeof url === 'string'
    ? validateUrl(url, `${at}.url`)
    : validateService(objectAt(client, 'service'), `${at}.service`);
}

/** Scheme, authority, path, query and fragment of an address, of which any may be missing. */
const PARTS = /^(?:([a-zA-Z][a-zA-Z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?/s;
const WANTED_URL = '; desired format: https://host[/path]';

function validateUrl(text: string, at: string): FieldError[] {
  const [, scheme = '', authority = '', path = '', query = '', fragment = ''] = PARTS.exec(text) ?? [];
  const colon = scheme === '' && authority === '' && (path.split('/')[0] ?? '').includes(':');
  if (colon || (authority !== '' && scheme !== '' && !URL.canParse(text))) {
    const why = colon ? 'first path segment in URL cannot contain colon' : 'invalid URI for request';
    const detail = `url must be a valid URL: parse ${JSON.stringify(text)}: ${why}${WANTED_URL}`;
    return [required(at, detail)];
  }
  const errors: FieldError[] = [];
  if (scheme !== 'https') {
    errors.push(invalid(at, scheme, `'https' is the only allowed URL scheme${WANTED_URL}`));
  }
  if (authority === '') errors.push(invalid(at, '', `host must be specified${WANTED_URL}`));
  const [user, host] = authority.split('@');
  if (host !== undefined) errors.push(invalid(at, user, 'user information is not permitted in the URL'));
  if (fragment !== '') errors.push(invalid(at, fragment, 'fragments are not permitted in the URL'));
  if (query !== '') errors.push(invalid(at, query, 'query parameters are not permitted in the URL'));
  return errors;
}

function validateService(service: JsonObject, at: string): FieldError[] {
  const errors: FieldError[] = [];
  // Upstream takes one for the other (kubernetes/kubernetes#141353).
  if (stringAt(service, 'namespace') === '') errors.push(required(`${at}.name`));
  if (stringAt(service, 'name') === '') errors.push(required(`${at}.namespace`));
  const port = numberAt(service, 'port') ?? 443;
  if (port < 1 || port > 65_535) {
    const detail = 'port is not valid: must be between 1 and 65535, inclusive';
    errors.push(invalid(`${at}.port`, port, detail));
  }
  const { path } = service;
  if (typeof path !== 'string' || path === '' || path === '/') return errors;
  const say = (detail: string): void => {
    errors.push(invalid(`${at}.path`, path, detail));
  };
  if (path === '//') say('segment[0] may not be empty');
  else {
    if (!path.startsWith('/')) say("must start with a '/'");
    const steps = path.slice(1).replace(/\/$/, '').split('/');
    for (const [index, step] of steps.entries()) {
      if (step === '') say(`segment[${index}] may not be empty`);
      else for (const why of dns1123Subdomain(step)) say(`segment[${index}]: ${why}`);
    }
  }
  return errors;
}
