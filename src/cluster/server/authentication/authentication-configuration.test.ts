import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../api/json.ts';
import { parseAuthenticationConfiguration } from './authentication-configuration.ts';

const ISSUER = { url: 'https://issuer.test', audiences: ['us'] };
const USERNAME = { username: { claim: 'sub', prefix: '' } };

function config(entry: JsonObject, more: JsonObject = {}): string {
  return JSON.stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'AuthenticationConfiguration',
    jwt: [{ issuer: ISSUER, claimMappings: USERNAME, ...entry }],
    ...more,
  });
}

const issuer = (more: JsonObject): string => config({ issuer: { ...ISSUER, ...more } });
const mappings = (more: JsonObject): string => config({ claimMappings: { ...USERNAME, ...more } });
const rules = (...claimValidationRules: readonly JsonObject[]): string =>
  config({ claimValidationRules: [...claimValidationRules] });

test('what is wrong is told by its field, as upstream words it', async () => {
  const cases: readonly [text: string, message: RegExp][] = [
    [issuer({ url: '' }), /jwt\[0\]\.issuer\.url: Required value/],
    [
      issuer({ url: 'http://issuer.test' }),
      /issuer\.url: Invalid value: "http:\/\/issuer\.test": URL scheme must be https/,
    ],
    [issuer({ url: 'https://u:p@issuer.test' }), /URL must not contain a username or password/],
    [issuer({ url: 'https://issuer.test?a=b' }), /URL must not contain a query/],
    [issuer({ url: 'https://issuer.test#a' }), /URL must not contain a fragment/],
    [issuer({ url: 'https://ours' }), /URL must not overlap with disallowed issuers: \[https:\/\/ours\]/],
    [issuer({ discoveryURL: 'https://issuer.test/' }), /discoveryURL must be different from URL/],
    [
      issuer({ audiences: [] }),
      /jwt\[0\]\.issuer\.audiences: Required value: at least one jwt\[0\]\.issuer\.audiences is required/,
    ],
    [issuer({ audiences: ['a', 'b'] }), /audienceMatchPolicy must be MatchAny for multiple audiences/],
    [
      issuer({ audiences: ['a', 'a'], audienceMatchPolicy: 'MatchAny' }),
      /audiences\[1\]: Duplicate value: "a"/,
    ],
    [
      issuer({ certificateAuthority: 'x' }),
      /certificateAuthority: Invalid value: "<omitted>": data does not contain any valid/,
    ],
    [issuer({ egressSelectorType: 'cluster' }), /egressSelectorType: Invalid value: "cluster"/],
    [issuer({ more: 1 }), /strict decoding error: unknown field "jwt\[0\]\.issuer\.more"/],
    [
      config({ claimMappings: {} }),
      /claimMappings\.username: Required value: claim or expression is required/,
    ],
    [
      mappings({ username: { claim: 'sub' } }),
      /username\.prefix: Required value: prefix is required when claim is set/,
    ],
    [
      mappings({ username: { claim: 'sub', expression: 'claims.sub' } }),
      /claim and expression can't both be set/,
    ],
    [
      mappings({ groups: { expression: 'claims.' } }),
      /groups\.expression: Invalid value: "claims\.": compilation failed: ERROR: <input>/,
    ],
    [
      mappings({ username: { expression: 'claims.email' } }),
      /claims\.email_verified must be used in claimMappings\.username\.expression/,
    ],
    [mappings({ extra: [{ key: 'team', valueExpression: "'x'" }] }), /must be a domain-prefixed path/],
    [mappings({ extra: [{ key: 'a.k8s.io/x', valueExpression: "'x'" }] }), /are reserved for Kubernetes use/],
    [mappings({ extra: [{ key: 'a.io/X', valueExpression: "'x'" }] }), /must be lowercase/],
    [mappings({ extra: [{ key: 'a.io/x' }] }), /extra\[0\]\.valueExpression: Required value/],
    [rules({}), /claimValidationRules\[0\]: Required value: claim or expression is required/],
    [rules({ claim: 'a' }, { claim: 'a' }), /claimValidationRules\[1\]\.claim: Duplicate value: "a"/],
    [
      rules({ claim: 'a', message: 'm' }),
      /message: Invalid value: "m": may not be specified when claim is set/,
    ],
    [rules({ expression: 'claims.x' }), /expression: Invalid value: "claims\.x": must evaluate to bool/],
    [config({ userValidationRules: [{ expression: 'user.name == 1' }] }), /undefined field 'name'/],
    [
      config({}, { anonymous: { enabled: false, conditions: [{ path: '/' }] } }),
      /enabled should be set to true when conditions are defined/,
    ],
    [config({}, { jwt: 'x' }), /jwt: want a list/],
    ['[]', /want an object/],
  ];
  for (const [text, message] of cases) {
    const parsed = parseAuthenticationConfiguration(Buffer.from(text), ['https://ours']);
    await assert.rejects(parsed, { code: 'invalid', message }, text);
  }
  const expression = 'claims.?email_verified.orValue(false) ? claims.email : claims.sub';
  const good = mappings({ username: { expression } });
  await parseAuthenticationConfiguration(Buffer.from(good), []);
});
