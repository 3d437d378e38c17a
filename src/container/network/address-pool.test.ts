import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { AddressPool } from './address-pool.ts';
import { chooseSubnet } from './choose-subnet.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sampan-addresses-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('addresses go round and are not given twice, network, gateway and broadcast never', () => {
  const pool = new AddressPool(folder, '10.64.0.0/29');
  const given = ['a', 'b', 'c', 'd', 'e'].map((owner) => pool.allocate(owner));
  assert.deepEqual(given, ['10.64.0.2', '10.64.0.3', '10.64.0.4', '10.64.0.5', '10.64.0.6']);
  assert.throws(() => pool.allocate('f'), { code: 'exhausted' });
  assert.equal(pool.allocate('c'), '10.64.0.4');
  pool.release('b');
  pool.release('b');
  assert.equal(pool.allocate('f'), '10.64.0.3');
});

test('what is on disk is known to the next process; rubbish of a crash goes', () => {
  const before = new AddressPool(folder, '10.64.0.0/16').allocate('a');
  writeFileSync(join(folder, '10.64.0.3'), '');
  writeFileSync(join(folder, '.half'), 'half');
  const pool = new AddressPool(folder, '10.64.0.0/16');
  assert.deepEqual(pool.owners(), ['a']);
  assert.equal(pool.allocate('a'), before);
  assert.equal(pool.allocate('b'), '10.64.0.3');
  assert.deepEqual(readdirSync(folder).toSorted(), ['10.64.0.2', '10.64.0.3']);
});

test('two pools on one folder do not give out one address twice', () => {
  const [one, two] = [new AddressPool(folder, '10.64.0.0/16'), new AddressPool(folder, '10.64.0.0/16')];
  assert.notEqual(one.allocate('a'), two.allocate('b'));
});

test('a subnet is the preferred one unless it or its services overlap, and stays what it was', () => {
  const file = join(folder, 'subnet');
  const used = [
    { address: '10.127.3.0', prefix: 24 },
    { address: '10.128.0.0', prefix: 16 },
    { address: '192.168.0.0', prefix: 16 },
  ];
  assert.equal(chooseSubnet(file, 127, used), 65);
  assert.equal(chooseSubnet(file, 80, []), 65);
  assert.throws(() => chooseSubnet(join(folder, 'other'), 80, [{ address: '10.0.0.0', prefix: 8 }]), {
    code: 'exhausted',
  });
});
