/** Devices and those who claim them: what is refused, in upstream's words. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../json.ts';
import { created, updated } from '../testing/complaints.ts';

const CLAIM = 'resource.k8s.io/ResourceClaim';
const NOT_C =
  "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')";

const CREATES: readonly (readonly [string, JsonObject, ...string[]])[] = [
  [
    CLAIM,
    {
      spec: { devices: { constraints: [{}, { matchAttribute: 'numa' }, { distinctAttribute: 'a.com/1' }] } },
    },
    'spec.devices.constraints[0]: Required value: exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set',
    'spec.devices.constraints[1].matchAttribute: Invalid value: "numa": a fully qualified name must be a domain and a name separated by a slash',
    `spec.devices.constraints[2].distinctAttribute: Invalid value: "1": ${NOT_C}`,
  ],
  [
    'resource.k8s.io/ResourceSlice',
    { spec: { devices: [{ name: 'a', attributes: { '/b': { int: 1 }, c: {} } }] } },
    'spec.devices[0].attributes[/b]: Invalid value: "": the domain must not be empty',
    'spec.devices[0].attributes[c]: Invalid value: "": exactly one value must be specified',
  ],
];

for (const [name, patch, ...complaints] of CREATES) {
  test(`a ${name} with ${JSON.stringify(patch).slice(0, 120)}`, () => {
    assert.deepEqual(created(name, patch), complaints);
  });
}

test('a claim that is older than a rule is not looked at again', () => {
  const old = { spec: { devices: { constraints: [{}] } } };
  assert.deepEqual(updated(CLAIM, { metadata: { labels: { a: 'b' } } }, old), []);
});
