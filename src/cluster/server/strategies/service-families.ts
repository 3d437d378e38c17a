/** Which families of addresses a service has: what it says, what its addresses say, and what a cluster of one family can do. */
import { isIP } from 'node:net';
import { fieldErrorsError, invalid, type FieldError } from '../../api/field-error.ts';
import { isJsonObject, jsonEqual, listAt, textOf, type JsonValue } from '../../api/json.ts';
import { validateAddresses } from '../../api/validate/service.ts';
import type { Json } from '../object.ts';

/** Of the cluster's addresses. */
const FAMILY = 'IPv4';

/** Fills in `ipFamilyPolicy` and `ipFamilies`; throws for what does not go together, before any other check. */
export function settleFamilies(spec: Json, before: Json | undefined): void {
  if (spec['type'] === 'ExternalName') return;
  if (before !== undefined && staysPreferred(spec, before)) return;
  const bare = spec['clusterIP'] === 'None' && isEmptyMap(spec['selector']);
  spec['ipFamilyPolicy'] ??= before?.['ipFamilyPolicy'] ?? (bare ? 'RequireDualStack' : 'SingleStack');
  refuse(validateAddresses(spec, before === undefined ? [] : addressesOf(before)));
  refuse([...(before === undefined ? [] : release(spec, before)), ...checkPolicy(spec), ...infer(spec)]);
  const { ipFamilyPolicy: policy } = spec;
  const families = familiesOf(spec);
  if (bare) {
    // Nothing is allocated for it: it may have families that the cluster does not have.
    const [first = FAMILY] = families;
    const other = first === 'IPv4' ? 'IPv6' : 'IPv4';
    if (families.length < 2) spec['ipFamilies'] = policy === 'SingleStack' ? [first] : [first, other];
    return;
  }
  refuse([
    ...(policy === 'RequireDualStack'
      ? [invalid('spec.ipFamilyPolicy', policy, 'this cluster is not configured for dual-stack services')]
      : []),
    ...families.flatMap((family, index) =>
      family === FAMILY
        ? []
        : [invalid(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster')],
    ),
  ]);
  if (families.length === 0) spec['ipFamilies'] = [FAMILY];
}

function refuse(errors: readonly FieldError[]): void {
  if (errors.length > 0) throw fieldErrorsError(errors);
}

function isEmptyMap(value: JsonValue | undefined): boolean {
  return !isJsonObject(value) || Object.keys(value).length === 0;
}

function addressesOf(spec: Json): string[] {
  return listAt(spec, 'clusterIPs').map((address) => textOf(address));
}

function familiesOf(spec: Json): string[] {
  return listAt(spec, 'ipFamilies').map((family) => textOf(family));
}

/** A service that prefers two families is left as it is until somebody says otherwise. */
function staysPreferred(spec: Json, before: Json): boolean {
  return (
    spec['type'] === before['type'] &&
    [spec, before].every((one) => one['ipFamilyPolicy'] === 'PreferDualStack') &&
    jsonEqual(addressesOf(spec), addressesOf(before)) &&
    jsonEqual(familiesOf(spec), familiesOf(before))
  );
}

/** The second family goes when the policy says so, and only then. */
function release(spec: Json, before: Json): FieldError[] {
  const { ipFamilyPolicy: policy } = spec;
  const at = 'spec.ipFamilyPolicy';
  const errors: FieldError[] = [];
  for (const [key, what] of [
    ['clusterIPs', 'cluster IP'],
    ['ipFamilies', 'IP family'],
  ] as const) {
    const [now, was] = [listAt(spec, key), listAt(before, key)];
    if (policy === 'SingleStack') {
      if (now.length > 1 && jsonEqual(now, was)) spec[key] = now.slice(0, 1);
    } else if (now.length > 0 && now.length < was.length) {
      errors.push(invalid(at, policy, `must be 'SingleStack' to release the secondary ${what}`));
    }
  }
  return errors;
}

function checkPolicy(spec: Json): FieldError[] {
  const { ipFamilyPolicy: policy } = spec;
  if (policy !== 'SingleStack') return [];
  const say = (what: string): FieldError =>
    invalid(
      'spec.ipFamilyPolicy',
      policy,
      `must be 'RequireDualStack' or 'PreferDualStack' when multiple ${what} are specified`,
    );
  return [
    ...(addressesOf(spec).length === 2 ? [say('cluster IPs')] : []),
    ...(familiesOf(spec).length === 2 ? [say('IP families')] : []),
  ];
}

/** Addresses that come without a family have their own. */
function infer(spec: Json): FieldError[] {
  const addresses = addressesOf(spec);
  const families = familiesOf(spec);
  const errors: FieldError[] = [];
  for (const [index, address] of addresses.entries()) {
    if (address === 'None') break;
    if (index < families.length) continue;
    const family = `IPv${isIP(address)}`;
    if (family === FAMILY) families.push(family);
    else {
      const detail = `${family} is not configured on this cluster`;
      errors.push(invalid(`spec.clusterIPs[${index}]`, addresses, detail));
    }
  }
  if (families.length > 0) spec['ipFamilies'] = families;
  return errors;
}
