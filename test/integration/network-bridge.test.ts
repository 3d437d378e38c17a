/** The bridge network and the service rules on a real kernel, with real connections. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { instanceOf } from '../../src/base/instance.ts';
import { createBridgeNetwork } from '../../src/container/network/bridge-network.ts';
import { linuxKernel } from '../../src/kernel/linux.ts';
import { createServiceRules, type ServiceRule } from '../../src/kernel/service-rules.ts';
import { connect, inOwnNamespace, Sandbox } from './network-fixture.ts';

const run = (command: string, ...args: string[]): string => execFileSync(command, args, { encoding: 'utf8' });

inOwnNamespace(import.meta.filename, () => {
  const folder = mkdtempSync(join(tmpdir(), 'sampan-network-'));
  after(() => rmSync(folder, { recursive: true }));
  const instance = instanceOf(folder);
  const kernel = linuxKernel();
  const NODE_IP = '192.0.2.10';
  run('ip', 'link', 'set', 'lo', 'up');
  run('ip', 'address', 'add', `${NODE_IP}/32`, 'dev', 'lo');

  const BRIDGE_FILTER = '/proc/sys/net/bridge/bridge-nf-call-iptables';
  // Bridged packets pass the packet filter where someone loaded br_netfilter, and do not elsewhere.
  const modes = existsSync(BRIDGE_FILTER) ? ['1', '0'] : [undefined];
  for (const mode of modes)
    test(`pods, services, and nothing left; bridge-nf-call-iptables=${mode}`, async (t) => {
      if (mode !== undefined) writeFileSync(BRIDGE_FILTER, mode);
      const network = createBridgeNetwork({ instance, kernel, stateDir: join(folder, 'network') });
      const services = createServiceRules({
        kernel,
        table: `${instance.nftTable}-svc`,
        podCidr: network.podCidr,
        serviceCidr: network.serviceCidr,
      });
      const before = run('ip', '-o', 'link');
      await network.setUp(new Set());
      await using one = await Sandbox.start();
      await using two = await Sandbox.start();
      const results = [];
      for (const [id, { netns }] of [['one', one] as const, ['two', two] as const]) {
        results.push(await network.add({ containerId: id, netns, interfaceName: 'eth0' }));
      }
      const [ip1 = '', ip2 = ''] = results.map((result) => result.ips[0]?.address.replace('/32', '') ?? '');
      await Promise.all([one.serve('one', 8080), two.serve('two', 8080)]);
      const clusterIP = network.serviceCidr.replace('.0.0/16', '.0.10');
      const endpoints = [ip1, ip2].map((ip) => ({ ip, port: 8080 }));
      const web: ServiceRule = {
        id: 'web',
        protocol: 'tcp',
        clusterIP,
        port: 80,
        nodePort: 30080,
        endpoints,
      };

      await t.test('pod to pod, pod to host, host to pod, each with its own source address', () => {
        assert.deepEqual(one.connect(ip2, 8080), [`two ${ip1}`]);
        assert.deepEqual(two.connect(ip1, 8080), [`one ${ip2}`]);
        assert.deepEqual(connect(ip1, 8080), [`one ${network.gateway}`]);
        assert.deepEqual(one.connect(network.gateway, 1), ['ECONNREFUSED']);
      });

      await t.test('cluster address and node port reach both endpoints, from the host and from a pod', () => {
        services.apply([web]);
        for (const answers of [
          connect(clusterIP, 80, 30),
          connect(NODE_IP, 30080, 30),
          one.connect(clusterIP, 80, 30),
          two.connect(NODE_IP, 30080, 30),
        ]) {
          assert.deepEqual([...new Set(answers.map((answer) => answer.split(' ')[0]))].toSorted(), [
            'one',
            'two',
          ]);
        }
      });

      await t.test('a pod reaches itself through its service, seen from the gateway', () => {
        services.apply([{ ...web, endpoints: [{ ip: ip1, port: 8080 }] }]);
        assert.deepEqual(one.connect(clusterIP, 80), [`one ${network.gateway}`]);
        assert.deepEqual(two.connect(clusterIP, 80), [`one ${ip2}`]);
      });

      await t.test('with session affinity a client keeps its endpoint', () => {
        services.apply([{ ...web, sessionAffinitySeconds: 10_800 }]);
        assert.equal(new Set(connect(clusterIP, 80, 20)).size, 1);
        assert.equal(new Set(two.connect(clusterIP, 80, 20)).size, 1);
      });

      await t.test('without endpoints and without a service connections are refused at once', () => {
        services.apply([{ ...web, endpoints: [] }]);
        assert.deepEqual(connect(clusterIP, 80), ['ECONNREFUSED']);
        assert.deepEqual(connect(NODE_IP, 30080), ['ECONNREFUSED']);
        assert.deepEqual(one.connect(clusterIP, 80), ['ECONNREFUSED']);
        assert.deepEqual(one.connect(NODE_IP, 30080), ['ECONNREFUSED']);
        assert.deepEqual(one.connect(network.serviceCidr.replace('.0.0/16', '.9.9'), 443), ['ECONNREFUSED']);
      });

      await t.test('a new process takes over what is there', async () => {
        const again = createBridgeNetwork({
          instance,
          kernel,
          stateDir: join(folder, 'network'),
          subnetOctet: 99,
        });
        assert.equal(again.podCidr, network.podCidr);
        await again.setUp(new Set(['one']));
        createServiceRules({ kernel, table: `${instance.nftTable}-svc`, podCidr: again.podCidr }).apply([
          web,
        ]);
        assert.deepEqual(connect(ip1, 8080), [`one ${network.gateway}`]);
        assert.equal(run('ip', '-o', 'link', 'show', 'type', 'veth').trim().split('\n').length, 1);
        const { ips } = await again.add({ containerId: 'three', netns: two.netns, interfaceName: 'eth0' });
        assert.notEqual(ips[0]?.address, `${ip1}/32`);
        await again.del('three');
        await again.del('three');
      });

      await t.test('tearDown leaves nothing', async () => {
        services.tearDown();
        services.tearDown();
        await network.tearDown();
        await network.tearDown();
        assert.equal(run('nft', 'list', 'ruleset'), '');
        assert.equal(run('ip', '-o', 'link'), before);
      });
    });

  test('a sandbox that has gone is an error that leaves no link and no address', async () => {
    const network = createBridgeNetwork({ instance, kernel, stateDir: join(folder, 'gone') });
    await network.setUp(new Set());
    await assert.rejects(network.add({ containerId: 'x', netns: '/proc/0/ns/net', interfaceName: 'eth0' }), {
      code: 'not-found',
    });
    assert.equal(run('ip', '-o', 'link', 'show', 'type', 'veth'), '');
    await network.tearDown();
  });

  test('two that begin at the same moment do not choose the same', async () => {
    const networks = ['first', 'second'].map((name) => {
      const own = instanceOf(join(folder, name));
      return createBridgeNetwork({ instance: own, kernel, stateDir: join(folder, name), subnetOctet: 99 });
    });
    assert.deepEqual(
      networks.map(({ podCidr }) => podCidr),
      ['10.99.0.0/16', '10.100.0.0/16'],
    );
    for (const network of networks) await network.setUp(new Set());
    for (const network of networks) await network.tearDown();
    const third = join(folder, 'third');
    const later = createBridgeNetwork({
      instance: instanceOf(third),
      kernel,
      stateDir: third,
      subnetOctet: 99,
    });
    assert.equal(later.podCidr, '10.99.0.0/16');
    await later.tearDown();
  });

  test('a network that the machine already has is not chosen', () => {
    run('ip', 'route', 'add', 'blackhole', `10.${instance.subnetOctet}.7.0/24`);
    const network = createBridgeNetwork({ instance, kernel, stateDir: join(folder, 'taken') });
    assert.notEqual(network.podCidr, `10.${instance.subnetOctet}.0.0/16`);
    run('ip', 'route', 'del', 'blackhole', `10.${instance.subnetOctet}.7.0/24`);
  });
});
