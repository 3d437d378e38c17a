import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ManualClock } from '../../../base/clock.ts';
import { PlatformError } from '../../../base/errors.ts';
import { configMap, TestServer } from '../testing/test-server.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';

/** Marks config maps, refuses those with `bad`, and counts what it holds. */
class Recorder implements AdmissionPlugin {
  readonly name = 'Recorder';
  readonly seen: string[] = [];
  held = 0;

  handles({ resource }: AdmissionRequest): boolean {
    return resource.resource === 'configmaps';
  }

  mutate({ object, operation, warn }: AdmissionRequest): void {
    if (object === undefined) return;
    object.metadata.labels = { ...object.metadata.labels, marked: operation };
    warn(`marked by ${this.name}`);
  }

  validate({ operation, name, object, old }: AdmissionRequest): () => Promise<void> {
    this.seen.push(
      `${operation} ${name} ${old === undefined ? '-' : 'old'} ${object === undefined ? '-' : 'new'}`,
    );
    if (object?.['data'] !== undefined && 'bad' in (object['data'] as object)) {
      throw new PlatformError('forbidden', `configmaps "${name}" is forbidden: bad data`);
    }
    this.held++;
    return async () => void this.held--;
  }
}

test('plugins change, refuse, warn, and give back what a failed write had reserved', async () => {
  const plugin = new Recorder();
  await using api = await TestServer.open({ admission: [plugin] });
  const made = await api.call('POST', MAPS, configMap('a'));
  assert.deepEqual(made.body.metadata.labels, { marked: 'CREATE' });
  assert.match(made.headers['warning'] ?? '', /marked by Recorder/);
  assert.equal(plugin.held, 1);

  const again = await api.call('POST', MAPS, configMap('a'));
  assert.equal(again.status, 409);
  const refused = await api.call('POST', MAPS, configMap('b', { bad: '1' }));
  assert.equal(refused.status, 403);
  const dry = await api.call('POST', `${MAPS}?dryRun=All`, configMap('c'));
  assert.equal(dry.status, 201);
  assert.equal(plugin.held, 1);

  const patch = { 'content-type': 'application/merge-patch+json' };
  const changed = await api.call('PATCH', `${MAPS}/a`, { data: { k: '1' } }, patch);
  assert.deepEqual(changed.body.metadata.labels, { marked: 'UPDATE' });
  const unchanged = await api.call('PATCH', `${MAPS}/a`, {}, patch);
  assert.equal(unchanged.status, 200);
  assert.equal(plugin.held, 2);
  await api.call('DELETE', `${MAPS}/a`);
  assert.equal(plugin.seen.at(-1), 'DELETE a old -');
});

test('a plugin cannot change what only the server sets', async () => {
  const plugin: AdmissionPlugin = {
    name: 'Forger',
    handles: ({ resource, operation }) => resource.resource === 'configmaps' && operation === 'UPDATE',
    mutate({ object }) {
      object!.metadata.uid = 'forged';
      object!.metadata.creationTimestamp = '1970-01-01T00:00:00Z';
    },
  };
  await using api = await TestServer.open({ admission: [plugin] });
  const made = await api.create(MAPS, configMap('a'));
  const changed = await api.call('PUT', `${MAPS}/a`, { ...made, data: { k: '1' } });
  assert.deepEqual(
    [changed.body.metadata.uid, changed.body.metadata.creationTimestamp],
    [made.metadata.uid, made.metadata.creationTimestamp],
  );
});

test('others have their turn after a step that has taken long', async () => {
  const turns: string[] = [];
  const plugin: AdmissionPlugin = {
    name: 'Slow',
    handles: ({ resource }) => resource.resource === 'configmaps',
    mutate({ server, object }) {
      setImmediate(() => turns.push('others'));
      if (object?.metadata.name === 'slow') void (server.clock as ManualClock).advance(5);
    },
    validate: () => void turns.push('validated'),
  };
  await using api = await TestServer.open({ admission: [plugin] });
  await api.create(MAPS, configMap('quick'));
  await new Promise(setImmediate);
  assert.deepEqual(turns.splice(0), ['validated', 'others']);
  await api.create(MAPS, configMap('slow'));
  assert.deepEqual(turns, ['others', 'validated']);
});
