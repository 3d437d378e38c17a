/** The smaller terms of a pod: names that it resolves, claims that it needs, gates that hold it back. */
import { isIP } from 'node:net';
import { append } from '../../../base/append.ts';
import { duplicate, goShown, invalid, required, type FieldError, type GoMember } from '../field-error.ts';
import { isJsonObject, listAt, objectsAt, stringAt, textOf, type JsonObject } from '../json.ts';
import { BAD_IP, formed } from './checks.ts';
import { dns1123Label, dns1123Subdomain, qualifiedName, searchDomain } from './names.ts';

const MAX_NAMESERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARACTERS = 2048;

export function validateDns(spec: JsonObject, field: string): FieldError[] {
  const at = `${field}.dnsConfig`;
  const { dnsConfig } = spec;
  const none = spec['dnsPolicy'] === 'None';
  if (!isJsonObject(dnsConfig)) {
    return none ? [required(at, 'must provide `dnsConfig` when `dnsPolicy` is None')] : [];
  }
  const servers = listAt(dnsConfig, 'nameservers').map((server) => textOf(server));
  const searches = listAt(dnsConfig, 'searches').map((search) => textOf(search));
  const errors: FieldError[] = [];
  if (none && servers.length === 0) {
    const detail = 'must provide at least one DNS nameserver when `dnsPolicy` is None';
    return [required(`${at}.nameservers`, detail)];
  }
  if (servers.length > MAX_NAMESERVERS) {
    const detail = `must not have more than ${MAX_NAMESERVERS} nameservers`;
    errors.push(invalid(`${at}.nameservers`, servers, detail));
  }
  for (const [index, server] of servers.entries()) {
    if (isIP(server) === 0) errors.push(invalid(`${at}.nameservers[${index}]`, server, BAD_IP));
  }
  if (searches.length > MAX_SEARCHES) {
    const detail = `must not have more than ${MAX_SEARCHES} search paths`;
    errors.push(invalid(`${at}.searches`, searches, detail));
  }
  if (searches.join(' ').length > MAX_SEARCH_CHARACTERS) {
    const detail = `must not have more than ${MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list`;
    errors.push(invalid(`${at}.searches`, searches, detail));
  }
  for (const [index, search] of searches.entries()) {
    // A trailing dot is usual in search paths; a dot alone means no search.
    if (search !== '.') {
      append(errors, formed(search.replace(/\.$/, ''), `${at}.searches[${index}]`, searchDomain));
    }
  }
  for (const [index, option] of objectsAt(dnsConfig, 'options').entries()) {
    if (stringAt(option, 'name') === '') {
      errors.push(required(`${at}.options[${index}]`, 'must not be empty'));
    }
  }
  return errors;
}

export function validateHostAliases(spec: JsonObject, field: string): FieldError[] {
  if (spec['hostAliases'] === undefined) return [];
  return objectsAt(spec, 'hostAliases').flatMap((alias, index) => {
    const at = `${field}.hostAliases[${index}]`;
    const ip = stringAt(alias, 'ip');
    return [
      ...(isIP(ip) === 0 ? [invalid(`${at}.ip`, ip, BAD_IP)] : []),
      ...listAt(alias, 'hostnames').flatMap((host, i) =>
        formed(textOf(host), `${at}.hostnames[${i}]`, dns1123Subdomain),
      ),
    ];
  });
}

export function validateGates(spec: JsonObject, field: string): FieldError[] {
  if (spec['readinessGates'] === undefined && spec['schedulingGates'] === undefined) return [];
  const names = new Set<string>();
  const errors = objectsAt(spec, 'readinessGates').flatMap((gate, index) =>
    formed(stringAt(gate, 'conditionType'), `${field}.readinessGates[${index}].conditionType`, qualifiedName),
  );
  for (const [index, gate] of objectsAt(spec, 'schedulingGates').entries()) {
    const at = `${field}.schedulingGates[${index}]`;
    const name = stringAt(gate, 'name');
    append(errors, formed(name, at, qualifiedName));
    if (names.has(name)) errors.push(duplicate(at, name));
    names.add(name);
  }
  return errors;
}

const CLAIM: readonly GoMember[] = [
  { name: 'name' },
  { name: 'resourceClaimName', zero: null },
  { name: 'resourceClaimTemplateName', zero: null },
];

export function validateClaims(spec: JsonObject, field: string): FieldError[] {
  if (spec['resourceClaims'] === undefined) return [];
  const names = new Set<string>();
  return objectsAt(spec, 'resourceClaims').flatMap((claim, index) => {
    const at = `${field}.resourceClaims[${index}]`;
    const name = stringAt(claim, 'name');
    const errors: FieldError[] = [];
    if (name === '') errors.push(required(`${at}.name`));
    else if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
    else append(errors, formed(name, `${at}.name`, dns1123Label));
    names.add(name);
    const given = ['resourceClaimName', 'resourceClaimTemplateName'].filter(
      (key) => claim[key] !== undefined,
    );
    if (given.length > 1) {
      const detail = 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified';
      errors.push(invalid(at, goShown(claim, CLAIM), detail));
    }
    if (given.length === 0) {
      const detail = 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`';
      errors.push(invalid(at, goShown(claim, CLAIM), detail));
    }
    for (const key of given) append(errors, formed(stringAt(claim, key), `${at}.${key}`, dns1123Subdomain));
    return errors;
  });
}
