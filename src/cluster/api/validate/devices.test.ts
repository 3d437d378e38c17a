/** Devices and those who claim them: what is refused, in upstream's words. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../json.ts';
import { created, updated } from '../testing/complaints.ts';
import { loadDeviceExpressions } from './expressions.ts';

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
    'spec.devices[0].attributes: Invalid value: "": the domain must not be empty',
    'spec.devices[0].attributes[c]: Invalid value: "": exactly one value must be specified',
  ],
  [
    'resource.k8s.io/ResourceSlice',
    {
      spec: {
        devices: [
          {
            name: 'a',
            allNodes: true,
            bindingConditions: ['ready'],
            capacity: {
              one: { value: '2', requestPolicy: {} },
            },
          },
          {
            name: 'b',
            allowMultipleAllocations: true,
            consumesCounters: [{ counterSet: 'x' }],
            capacity: {
              range: {
                value: '4Gi',
                requestPolicy: { default: '1Gi', validRange: { min: '2Gi', step: '3Gi' } },
              },
              values: { value: '4', requestPolicy: { default: '3', validValues: ['2', '1', '8'] } },
            },
          },
        ],
      },
    },
    'spec.devices[0].capacity[one].requestPolicy: Forbidden: allowMultipleAllocations must be true',
    'spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec',
    'spec.devices[0].bindingFailureConditions: Invalid value: []: bindingFailureConditions are required to use bindingConditions',
    'spec.devices[1].capacity[range].requestPolicy.validRange.min: Invalid value: "1Gi": default is less than min: 2Gi',
    'spec.devices[1].capacity[range].requestPolicy.validRange.step: Invalid value: "3Gi": one step 5Gi is larger than capacity value: 4Gi',
    'spec.devices[1].capacity[range].requestPolicy.validRange.step: Invalid value: "1Gi": value is not a multiple of a given step (3Gi) from (2Gi)',
    'spec.devices[1].capacity[values].requestPolicy.validValues[1]: Invalid value: "1": values must be sorted in ascending order',
    'spec.devices[1].capacity[values].requestPolicy.validValues[2]: Invalid value: "8": option is larger than capacity value: 4',
    'spec.devices[1].capacity[values].requestPolicy.validValues: Invalid value: "3": default value is not valid according to the requestPolicy',
    'spec.devices[1].consumesCounters[0].counters: Required value',
  ],
  [
    'resource.k8s.io/DeviceClass',
    {
      spec: {
        selectors: [
          { cel: { expression: 'device.driver' } },
          { cel: { expression: 'device.attributes["a.com"].b' } },
          { cel: { expression: 'cel.bind(all, device.attributes["a.com"], all.b && all.c)' } },
          { cel: { expression: 'string(device.driver.size()) + "a" == "b"' } },
        ],
        config: [{ opaque: { driver: 'a.com', parameters: [1] } }],
        extendedResourceName: 'cpu',
      },
    },
    'spec.selectors[0].cel.expression: Invalid value: "device.driver": must evaluate to bool or the unknown type, not string',
    'spec.selectors[3].cel.expression: Forbidden: too complex, exceeds cost limit',
    'spec.config[0].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object',
    'spec.extendedResourceName: Invalid value: "cpu": must be a valid extended resource name',
  ],
];
await loadDeviceExpressions();

for (const [name, patch, ...complaints] of CREATES) {
  test(`a ${name} with ${JSON.stringify(patch).slice(0, 120)}`, () => {
    assert.deepEqual(created(name, patch), complaints);
  });
}

test('a claim that is older than a rule is not looked at again', () => {
  const old = { spec: { devices: { constraints: [{}] } } };
  assert.deepEqual(updated(CLAIM, { metadata: { labels: { a: 'b' } } }, old), []);
});

test('a status speaks of requests and devices that are there', () => {
  const claim = { spec: { devices: { requests: [{ name: 'one' }] } } };
  const result = { request: 'two', driver: 'a.com', pool: 'p', device: 'd' };
  const status = {
    allocation: { devices: { results: [result] } },
    devices: [{ ...result, device: 'other', networkData: { ips: ['10.0.0.1/08'] } }],
  };
  assert.deepEqual(
    updated(CLAIM, { ...claim, status }, claim, 'status').map((text) => text.slice(0, 74)),
    [
      'status.devices[0]: Invalid value: {"Driver":"a.com","Pool":"p","Device":"o',
      'status.devices[0].networkData.ips[0]: Invalid value: "10.0.0.1/08": must b',
      'status.allocation.devices.results[0].request: Invalid value: "two": must b',
    ],
  );
});
