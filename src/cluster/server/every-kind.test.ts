/** Every resource that is declared can be made, changed, listed, applied and deleted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listAt, stringAt, type JsonObject } from '../api/json.ts';
import type { ResourceDeclaration } from '../api/resource-declaration.ts';
import { resources } from '../api/resources.ts';
import { apiVersionOf } from '../api/schema.ts';
import { minimalObject } from '../api/testing/minimal-objects.ts';
import { TestServer, type Answer } from './testing/test-server.ts';

const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';
const APPLY = { 'content-type': 'application/apply-patch+yaml' };

function pathOf({ group, version, resource, namespaced }: ResourceDeclaration): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  return `${root}${namespaced ? '/namespaces/default' : ''}/${resource}`;
}

function expectOk({ status, body }: Answer): void {
  assert.equal(status, 200, body.message ?? `status ${status}`);
}

const written = resources.filter(({ verbs, virtual }) => !virtual && verbs.includes('create'));

for (const declaration of written) {
  const { group, version, resource } = declaration;
  test(`${resource} of ${apiVersionOf(group, version)}`, async () => {
    await using api = await TestServer.open();
    const path = pathOf(declaration);
    const object = minimalObject(declaration);
    assert.ok(object, `a minimal ${declaration.kind}`);
    const name = stringAt(object, 'metadata', 'name');
    const created = await api.create(path, object);
    assert.equal(created.kind, declaration.kind);
    assert.equal(created.apiVersion, object['apiVersion']);
    assert.equal(
      created.metadata.generation,
      declaration.hasGeneration || resource === 'priorityclasses' ? 1 : undefined,
    );

    // Definitions get conditions as soon as they are there.
    let before = created;
    let same = await api.call('PUT', `${path}/${name}`, before);
    while (same.status === 409) {
      before = (await api.call('GET', `${path}/${name}`)).body;
      same = await api.call('PUT', `${path}/${name}`, before);
    }
    expectOk(same);
    assert.equal(same.body.metadata.resourceVersion, before.metadata.resourceVersion);

    const labels = { metadata: { labels: { 'example.com/changed': 'yes' } } };
    const patch = { 'content-type': 'application/merge-patch+json' };
    const changed = await api.call('PATCH', `${path}/${name}`, labels, patch);
    expectOk(changed);
    assert.notEqual(changed.body.metadata.resourceVersion, before.metadata.resourceVersion);

    const selector = 'labelSelector=example.com%2Fchanged';
    const table = await api.call('GET', `${path}?${selector}`, undefined, { accept: TABLE });
    expectOk(table);
    const [row] = table.body['rows'] as JsonObject[];
    const columns = table.body['columnDefinitions'] as JsonObject[];
    assert.equal(listAt(row, 'cells').length, columns.length);

    const force = '?fieldManager=test&force=true';
    const applied = await api.call('PATCH', `${path}/${name}${force}`, object, APPLY);
    expectOk(applied);
    if (declaration.hasStatus) {
      const status = await api.call('PUT', `${path}/${name}/status`, applied.body);
      expectOk(status);
      assert.equal(status.body.metadata.generation, applied.body.metadata.generation);
    }
    const grace = { gracePeriodSeconds: 0, propagationPolicy: 'Background' };
    const deleted = await api.call('DELETE', `${path}/${name}`, grace);
    expectOk(deleted);
  });
}

test('selectable fields are asked by every declaration that has them', async () => {
  await using api = await TestServer.open();
  for (const declaration of written) {
    for (const field of declaration.selectableFields) {
      const answer = await api.call('GET', `${pathOf(declaration)}?fieldSelector=${field}%3Dnone`);
      assert.equal(answer.status, 200, `${declaration.resource} by ${field}`);
    }
  }
});
