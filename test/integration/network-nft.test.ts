/** What the kernel has after our transactions, read by the nft program. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { linuxKernel } from '../../src/kernel/linux.ts';
import { nftTransaction } from '../../src/kernel/nftables.ts';
import { createServiceRules, type ServiceRule } from '../../src/kernel/service-rules.ts';
import { inOwnNamespace } from './network-fixture.ts';

const list = (...what: string[]): string => execFileSync('nft', ['list', ...what], { encoding: 'utf8' });

/** The lines of one chain's body. */
const chain = (name: string): string[] =>
  list('chain', 'inet', 't', name)
    .split('\n')
    .map((line) => line.trim())
    .slice(2, -3);

inOwnNamespace(import.meta.filename, () => {
  const kernel = linuxKernel();
  const rule = (n: number, endpoints: number, more: Partial<ServiceRule> = {}): ServiceRule => ({
    id: `s${n}`,
    protocol: 'tcp',
    clusterIP: `10.128.${n >> 8}.${n & 255}`,
    port: 80,
    endpoints: Array.from({ length: endpoints }, (_, i) => ({ ip: `10.64.0.${i + 2}`, port: 8080 })),
    ...more,
  });

  test('the rules are those that service-layout.ts draws', () => {
    const rules = createServiceRules({
      kernel,
      table: 't',
      podCidr: '10.64.0.0/16',
      serviceCidr: '10.128.0.0/16',
    });
    rules.apply([rule(1, 3, { nodePort: 30_080 }), rule(2, 2, { sessionAffinitySeconds: 60 }), rule(3, 0)]);
    assert.deepEqual(chain('by-address'), [
      'dnat ip to meta l4proto . ip daddr . th dport . numgen random mod 3 map @endpoints-3',
      'dnat ip to meta l4proto . ip daddr . th dport . jhash ip saddr mod 2 seed 0x0 map @endpoints-2-by-client',
    ]);
    assert.deepEqual(chain('by-node-port'), [
      'meta nfproto ipv4 dnat ip to meta l4proto . th dport . numgen random mod 3 map @node-ports-3',
    ]);
    assert.deepEqual(chain('dispatch'), [
      'jump by-address',
      'fib daddr type local ip daddr != 127.0.0.0/8 jump by-node-port',
    ]);
    assert.deepEqual(chain('postrouting'), [
      'type nat hook postrouting priority srcnat; policy accept;',
      'ct status dnat ip saddr . ip daddr @hairpin masquerade',
      'ct status dnat ip saddr != 10.64.0.0/16 ip daddr != 10.64.0.0/16 oifname != "lo" masquerade',
    ]);
    assert.deepEqual(chain('refuse-unserved'), [
      'meta l4proto . ip daddr . th dport @unserved goto refuse',
      'fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport @unserved-node-ports goto refuse',
      'ip daddr 10.128.0.0/16 goto refuse',
    ]);
    assert.match(
      list('map', 'inet', 't', 'node-ports-3'),
      /tcp \. 30080 \. 0x00000002 : 10\.64\.0\.4 \. 8080/,
    );
    assert.match(list('set', 'inet', 't', 'unserved'), /elements = \{ tcp \. 10\.128\.0\.3 \. 80 \}/);
    rules.tearDown();
  });

  test('any sequence of changes ends in what a fresh start makes', () => {
    const rules = createServiceRules({ kernel, table: 't', podCidr: '10.64.0.0/16' });
    const steps = [
      [rule(1, 2, { nodePort: 30_001 }), rule(2, 1)],
      [rule(1, 1), rule(2, 0), rule(3, 3, { protocol: 'udp', nodePort: 30_001 })],
      [rule(2, 2, { nodePort: 30_002 }), rule(3, 2, { sessionAffinitySeconds: 5 })],
      [rule(4, 2, { clusterIP: '10.128.0.2', nodePort: 30_002 }), rule(1, 3)],
    ];
    for (const desired of steps) {
      rules.apply(desired);
      const grown = elements();
      createServiceRules({ kernel, table: 'fresh', podCidr: '10.64.0.0/16' }).apply(desired);
      assert.deepEqual(grown, elements('fresh'));
    }
    rules.tearDown();
  });

  test('five thousand services are one transaction, and a refused one changes nothing and says where', () => {
    const rules = createServiceRules({ kernel, table: 't', podCidr: '10.64.0.0/16' });
    const many = Array.from({ length: 5000 }, (_, n) => rule(n, 1 + (n % 5)));
    rules.apply(many);
    assert.equal(elements().length, 5000 * 3 + 5);
    rules.apply(many.slice(1));
    assert.equal(elements().length, 4999 * 3 + 5 + 2);
    assert.throws(
      () =>
        nftTransaction(kernel, 't', [
          { op: 'addChain', chain: 'extra' },
          { op: 'delChain', chain: 'none' },
        ]),
      { code: 'not-found', message: /table t: step 1 \(delChain none\)/ },
    );
    assert.doesNotMatch(list('chains'), /extra/);
    rules.tearDown();
    assert.doesNotMatch(list('tables'), /inet t$/m);
  });

  /** All elements of all maps and sets of a table, as text. */
  function elements(table = 't'): string[] {
    const text = execFileSync('nft', ['-j', 'list', 'table', 'inet', table], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    const { nftables } = JSON.parse(text) as {
      nftables: { [kind in 'map' | 'set']?: { name: string; elem?: unknown[] } }[];
    };
    return nftables
      .flatMap(
        ({ map, set }) =>
          (map ?? set)?.elem?.map((each) => `${(map ?? set)?.name} ${JSON.stringify(each)}`) ?? [],
      )
      .toSorted();
  }
});
