/** examples/operator, an operator on @kubernetes/client-node, as a process of its own: its life with one site. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startTestControlPlane, type TestControlPlane } from '../fixtures/control-plane.ts';
import { eventually } from '../fixtures/eventually.ts';

const OPERATOR = join(import.meta.dirname, '../../examples/operator');

const manifest = (name: string): string => readFileSync(join(OPERATOR, 'manifests', name), 'utf8');

interface Condition {
  readonly status: string;
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
}

interface Site {
  readonly metadata: { readonly generation: number; readonly finalizers?: readonly string[] };
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status?: {
    readonly observedGeneration?: number;
    readonly readyReplicas?: number;
    readonly conditions?: readonly Condition[];
  };
}

/** One copy of the operator; what it says is kept for messages of failed tests. */
class Running implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  said = '';

  constructor(kubeconfig: string) {
    const main = join(OPERATOR, 'src/main.ts');
    const args = ['--disable-warning=ExperimentalWarning', main, '--kubeconfig', kubeconfig];
    this.#child = spawn(process.execPath, [...args, '--lease-seconds', '2'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.said += chunk.toString()));
    }
    this.#exited = once(this.#child, 'exit');
  }

  async working(): Promise<void> {
    await eventually('the operator watches', () => this.said.includes('watching'));
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#exited;
  }
}

describe('examples/operator', () => {
  const stack = new AsyncDisposableStack();
  let plane: TestControlPlane;
  let kubeconfig: string;
  let operator: Running;

  before(async () => {
    plane = stack.use(await startTestControlPlane());
    await plane.ok('apply -f -', manifest('crd.yaml'));
    await plane.ok('apply -f -', manifest('rbac.yaml'));
    await plane.ok('wait --for=condition=Established crd/sites.web.example.com --timeout=10s');
    // As the service account that rbac.yaml makes: what it does is what it may do.
    const token = (await plane.ok('create token site-operator')).trim();
    const config = JSON.parse(await plane.ok('config view --raw -o json')) as {
      users: { user: Record<string, string> }[];
    };
    config.users[0]!.user = { token };
    kubeconfig = join(plane.dir, 'operator.kubeconfig');
    writeFileSync(kubeconfig, JSON.stringify(config));
    operator = stack.use(new Running(kubeconfig));
    await operator.working();
  });

  after(() => stack.disposeAsync());

  const read = async (name: string): Promise<Site> =>
    JSON.parse(await plane.ok(`get site ${name} -o json`)) as Site;

  async function settled(what: string, matches: (site: Site) => boolean): Promise<Site> {
    try {
      return await eventually(what, async () => {
        const site = await read('hello');
        return site.status?.observedGeneration === site.metadata.generation && matches(site) && site;
      });
    } catch (error) {
      throw new Error(`${what}; the operator said:\n${operator.said}`, { cause: error });
    }
  }

  /** What a node would report. */
  async function makePodsReady(count: number): Promise<void> {
    const pods = await eventually(`${count} pods`, async () => {
      const list = JSON.parse(await plane.ok('get pods -l web.example.com/site=hello -o json')) as {
        items: { metadata: { name: string; deletionTimestamp?: string } }[];
      };
      const live = list.items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
      return live.length === count && live.map(({ metadata }) => metadata.name);
    });
    const ready = { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' };
    const patch = JSON.stringify({ status: { phase: 'Running', conditions: [ready] } });
    await Promise.all(
      pods.map((pod) => plane.ok(['patch', 'pod', pod, '--subresource=status', '-p', patch])),
    );
  }

  test('create: children with an owner, a finalizer, a status, events', async () => {
    await plane.ok('apply -f -', manifest('site.yaml'));
    const site = await settled('a status', () => true);
    assert.deepEqual(site.metadata.finalizers, ['web.example.com/record']);
    assert.deepEqual([site.spec['port'], site.spec['maxReplicas']], [8080, 5], 'defaults of the schema');
    assert.equal(site.status?.conditions?.[0]?.status, 'False');
    const owner = '{.metadata.ownerReferences[0].kind}/{.metadata.ownerReferences[0].controller}';
    for (const child of ['deploy', 'svc', 'cm']) {
      assert.equal(await plane.ok(`get ${child} hello -o jsonpath=${owner}`), 'Site/true', child);
    }
    const managers = '{.metadata.managedFields[?(@.operation=="Apply")].manager}';
    assert.equal(
      await plane.ok(`get svc hello -o jsonpath=${managers} --show-managed-fields`),
      'site-operator',
    );
    await makePodsReady(2);
    const available = await settled('both pods are ready', ({ status }) => status?.readyReplicas === 2);
    assert.equal(available.status?.conditions?.[0]?.status, 'True');
    assert.match(
      await plane.ok('get st hello -o wide'),
      /^hello +2 +2 +True +http:\/\/hello\.default\.svc +/m,
    );
    await eventually('an event of it', async () =>
      /Normal +PodsReady +[Ss]ite\/hello +2 of 2 pods are ready/.test(
        await plane.ok('events --for site/hello'),
      ),
    );
  });

  test('what is no site is refused, with the reason of its rule', async () => {
    const patch = (spec: unknown): readonly string[] => [
      ...['patch', 'site', 'hello', '--type=merge', '-p'],
      JSON.stringify({ spec }),
    ];
    for (const [spec, message] of [
      [{ replicas: 6 }, /spec\.replicas: Invalid value: replicas must not be more than 5/],
      [{ port: 81 }, /spec\.port: Invalid value: the port of a site never changes/],
      [
        { pages: { 'index.html': null, 'other.html': 'x' } },
        /spec\.pages: Invalid value: a site needs an index\.html/,
      ],
      [
        { replicas: -1 },
        /spec\.replicas: Invalid value: -1: spec\.replicas in body should be greater than or equal to 0/,
      ],
      [
        { image: 7 },
        /spec\.image: Invalid value: "integer": spec\.image in body must be of type string: "integer"/,
      ],
    ] as const) {
      assert.match(await plane.refused(patch(spec)), message);
    }
    assert.match(
      await plane.refused('create -f -', manifest('site.yaml').replace('replicas: 2', 'replicaz: 2')),
      /strict decoding error: unknown field "spec\.replicaz"/,
    );
  });

  test('scale through /scale, and by a person at the deployment', async () => {
    assert.equal(await plane.ok('scale site hello --replicas=3'), 'site.web.example.com/hello scaled\n');
    await makePodsReady(3);
    const site = await settled('three ready pods', ({ status }) => status?.readyReplicas === 3);
    assert.equal(site.spec['replicas'], 3);
    assert.equal(
      await plane.ok('get site hello --subresource=scale -o jsonpath={.status.selector}/{.status.replicas}'),
      'web.example.com/site=hello/3',
    );
    assert.match(await plane.refused('scale site hello --replicas=9'), /replicas must not be more than 5/);
    // The operator owns the field, and takes it back.
    await plane.ok('scale deploy hello --replicas=1');
    await eventually('three again', async () => {
      return (await plane.ok('get deploy hello -o jsonpath={.spec.replicas}')) === '3';
    });
  });

  test('the older version is served too, with a warning', async () => {
    const { code, stdout, stderr } = await plane.kubectl([
      ...['get', 'sites.v1beta1.web.example.com', 'hello', '-o', 'jsonpath={.apiVersion}'],
    ]);
    assert.deepEqual([code, stdout], [0, 'web.example.com/v1beta1'], stderr);
    assert.equal(stderr, 'Warning: web.example.com/v1beta1 Site is deprecated; use v1\n');
  });

  test('kill -9: the next one takes the lease over and does what came in between', async () => {
    await operator.kill();
    const patch = JSON.stringify({ spec: { pages: { 'index.html': 'changed' } } });
    await plane.ok(['patch', 'site', 'hello', '--type=merge', '-p', patch]);
    operator = stack.use(new Running(kubeconfig));
    await operator.working();
    await settled('the newer specification', () => true);
    assert.equal(await plane.ok('get cm hello -o jsonpath={.data}'), '{"index.html":"changed"}');
    assert.equal(await plane.ok('get lease site-operator -o jsonpath={.spec.leaseTransitions}'), '1');
  });

  test('a second copy waits until the first has gone', async () => {
    await using second = new Running(kubeconfig);
    const holder = 'get lease site-operator -o jsonpath={.spec.holderIdentity}';
    const first = await plane.ok(holder);
    await plane.ok('annotate site hello note=1');
    assert.equal(second.said, '');
    await operator[Symbol.asyncDispose]();
    await second.working();
    assert.notEqual(await plane.ok(holder), first);
    await plane.ok('scale site hello --replicas=2');
    await settled('the second works', ({ spec }) => spec['replicas'] === 2);
    await second.kill();
  });

  test('delete waits for the finalizer, and takes the children along', async () => {
    await plane.ok('delete site hello --wait=false');
    assert.match(await plane.ok('get site hello -o jsonpath={.metadata.deletionTimestamp}'), /Z$/);
    operator = stack.use(new Running(kubeconfig));
    await plane.ok('wait --for=delete site/hello --timeout=20s');
    assert.equal(await plane.ok('get cm site-hello-record -o jsonpath={.data.pages}'), 'index.html');
    await eventually('all children are gone', async () => {
      return (
        (await plane.ok(
          'get deploy,rs,pods,svc,cm -l app.kubernetes.io/managed-by=site-operator -o name',
        )) === ''
      );
    });
  });
});
