import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { AddressPool } from './address-pool.ts';
import { chooseSubnet, type Machine, type UsedNetwork } from './choose-subnet.ts';

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

/** A machine on which these are in use, and which says what is claimed. */
function machine(used: readonly UsedNetwork[], claimed = new Set<number>()): Machine {
  return {
    used: () => used,
    claim: (octet) => {
      if (claimed.has(octet)) return undefined;
      claimed.add(octet);
      return { [Symbol.dispose]: () => void claimed.delete(octet) };
    },
  };
}

test('a subnet is the preferred one unless it or its services overlap, and stays what it was', () => {
  const file = join(folder, 'subnet');
  const used = [
    { address: '10.127.3.0', prefix: 24 },
    { address: '10.128.0.0', prefix: 16 },
    { address: '192.168.0.0', prefix: 16 },
  ];
  assert.equal(chooseSubnet(file, 127, machine(used)).octet, 65);
  assert.equal(chooseSubnet(file, 80, machine([])).octet, 65);
  assert.throws(
    () => chooseSubnet(join(folder, 'other'), 80, machine([{ address: '10.0.0.0', prefix: 8 }])),
    { code: 'exhausted' },
  );
});

test('a subnet that another one has chosen is left alone, and nothing is claimed that is not chosen', () => {
  const claimed = new Set([80, 81]);
  const used = [{ address: '10.82.0.1', prefix: 16 }];
  const { octet, claim } = chooseSubnet(join(folder, 'one'), 80, machine(used, claimed));
  assert.equal(octet, 83);
  assert.deepEqual([...claimed], [80, 81, 83]);
  assert.equal(chooseSubnet(join(folder, 'two'), 80, machine(used, claimed)).octet, 84);
  claim?.[Symbol.dispose]();
  assert.equal(chooseSubnet(join(folder, 'three'), 80, machine(used, claimed)).octet, 83);

  const again = chooseSubnet(join(folder, 'one'), 90, machine(used, claimed));
  assert.deepEqual(again, { octet: 83, claim: undefined }, 'what it was');
});
