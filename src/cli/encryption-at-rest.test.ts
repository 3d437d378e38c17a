import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { ManualClock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { silentLogger } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import { openMemoryStore } from '../cluster/store/memory.ts';
import { openEncryption } from './encryption-at-rest.ts';

const SECRET = '/registry/secrets/default/a';

let dir = '';
before(() => (dir = mkdtempSync(join(tmpdir(), 'sampan-encryption-'))));
after(() => rmSync(dir, { recursive: true }));

const config = (...providers: object[]): string =>
  JSON.stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [{ resources: ['secrets'], providers }],
  });
const keyed = (type: string, name: string, n: number): object => ({
  [type]: { keys: [{ name, secret: Buffer.alloc(32, n).toString('base64') }] },
});

async function until(condition: () => Promise<boolean> | boolean, clock: ManualClock): Promise<void> {
  for (let turns = 0; turns < 1000; turns++) {
    if (await condition()) return;
    await clock.advance(1000);
    await setImmediate();
  }
  assert.fail('did not come to pass');
}

test('a new key counts without a restart, and what the old one wrote is written anew', async () => {
  const file = join(dir, 'config.yaml');
  writeFileSync(file, config(keyed('aescbc', 'old', 1), { identity: {} }));
  const clock = new ManualClock();
  const complaints: string[] = [];
  const log: Logger = { ...silentLogger, error: (message) => void complaints.push(message) };
  const encryption = await openEncryption({ file, reload: true, clock, random: seededRandom(1), log });
  const inner = await openMemoryStore({ clock });
  await using store = encryption.over(inner);
  const stored = async (): Promise<string> =>
    Buffer.from((await inner.get(SECRET))?.value ?? []).toString('latin1');
  const shown = async (): Promise<string> => Buffer.from((await store.get(SECRET))?.value ?? []).toString();
  await store.txn([], [{ type: 'put', key: SECRET, value: Buffer.from('hush') }]);
  assert.match(await stored(), /^k8s:enc:aescbc:v1:old:/);

  writeFileSync(file, config(keyed('secretbox', 'new', 2), keyed('aescbc', 'old', 1)));
  await until(async () => (await stored()).startsWith('k8s:enc:secretbox:v1:new:'), clock);
  assert.equal(await shown(), 'hush');

  writeFileSync(file, '{');
  await until(() => complaints.length > 0, clock);
  assert.deepEqual(complaints, ['the encryption configuration cannot be used; the last one goes on']);
  assert.equal(await shown(), 'hush');

  // "kubectl replace" of what is there writes with the first key, whatever it was.
  writeFileSync(file, config({ identity: {} }, keyed('secretbox', 'new', 2)));
  await until(async () => (await stored()) === 'hush', clock);
});

test('a file that cannot be used is refused with its name', async () => {
  const parts = { reload: false, clock: new ManualClock(), random: seededRandom(1), log: silentLogger };
  const missing = join(dir, 'none.yaml');
  await assert.rejects(
    openEncryption({ ...parts, file: missing }),
    /--encryption-provider-config .*none\.yaml: ENOENT/,
  );
  const file = join(dir, 'bad.yaml');
  writeFileSync(file, config(keyed('aesgcm', 'a:b', 1)));
  await assert.rejects(
    openEncryption({ ...parts, file }),
    /bad\.yaml: .*keys\[0\]\.name: want a name without colons/,
  );
});
