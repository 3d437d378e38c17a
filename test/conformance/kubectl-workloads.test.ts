/** Workloads in kubectl's hands, with the controllers at work and no node: rollouts, scale, drain, delete, wait, create. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startTestControlPlane, type TestControlPlane } from '../fixtures/control-plane.ts';
import { eventually } from '../fixtures/eventually.ts';
import { KUBECTL } from '../fixtures/kubectl.ts';

const deployment = (name: string, image = 'busybox:1'): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: 2
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec: {containers: [{name: web, image: "${image}", env: [{name: A, value: "1"}]}]}
`;

describe('kubectl and workloads', () => {
  let plane: TestControlPlane;

  before(async () => {
    plane = await startTestControlPlane();
  });

  after(() => plane[Symbol.asyncDispose]());

  const lines = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '');

  test('rollout: history, undo, pause, resume, restart, status', async () => {
    const revisions = async (): Promise<string> =>
      (await plane.ok('rollout history deploy/rolled')).replaceAll(/\s+/g, ' ').trim();
    const head = 'deployment.apps/rolled REVISION CHANGE-CAUSE';
    await plane.ok('apply -f -', deployment('rolled'));
    await eventually('the first revision', async () => (await revisions()) === `${head} 1 <none>`);
    await plane.ok('apply -f -', deployment('rolled', 'busybox:2'));
    await plane.ok('annotate deploy rolled kubernetes.io/change-cause=second');
    await eventually('the second', async () => (await revisions()) === `${head} 1 <none> 2 second`);
    assert.match(await plane.ok('rollout history deploy/rolled --revision=2'), /^ {4}Image:\tbusybox:2$/m);
    assert.equal(await plane.ok('rollout undo deploy/rolled'), 'deployment.apps/rolled rolled back\n');
    await eventually('the first is the third', async () => /2 second 3 <none>$/.test(await revisions()));
    const image = '{.spec.template.spec.containers[0].image}';
    assert.equal(await plane.ok(`get deploy rolled -o jsonpath=${image}`), 'busybox:1');
    assert.match(
      await plane.refused('rollout undo deploy/rolled --to-revision=9'),
      /unable to find specified revision 9 in history/,
    );
    await plane.ok('rollout undo deploy/rolled --to-revision=2');
    assert.equal(await plane.ok(`get deploy rolled -o jsonpath=${image}`), 'busybox:2');
    await plane.ok('rollout pause deploy/rolled');
    assert.match(await plane.refused('rollout pause deploy/rolled'), /is already paused/);
    assert.match(await plane.refused('rollout restart deploy/rolled'), /can't restart paused deployment/);
    await plane.ok('rollout resume deploy/rolled');
    await plane.ok('rollout restart deploy/rolled');
    assert.match(
      await plane.refused('rollout status deploy/rolled --timeout=1s'),
      /timed out waiting for the condition/,
    );
    await plane.ok('delete deploy rolled');
  });

  test('scale, autoscale, expose, set', async () => {
    await plane.ok('apply -f -', deployment('front'));
    assert.match(
      await plane.refused('scale deploy/front --replicas=3 --current-replicas=9'),
      /Expected replicas to be 9, was 2/,
    );
    await plane.ok('scale deploy/front --replicas=3 --current-replicas=2');
    await plane.ok('autoscale deploy/front --min=1 --max=5 --cpu=80%');
    assert.match(
      await plane.ok('get hpa front'),
      /^front +Deployment\/front +cpu: <unknown>\/80% +1 +5 +\d+ +\S+$/m,
    );
    await plane.ok('expose deploy/front --port=80 --target-port=8080 --type=NodePort');
    assert.match(
      await plane.ok('get svc front -o wide'),
      /^front +NodePort +10\.\S+ +<none> +80:3\d{4}\/TCP +\S+ +app=front$/m,
    );
    await plane.ok('set image deploy/front web=busybox:9');
    await plane.ok('set env deploy/front B=2 A-');
    await plane.ok('set resources deploy/front --limits=cpu=200m,memory=512Mi --requests=cpu=100m');
    await plane.ok('set serviceaccount deploy/front default');
    await plane.ok('set selector svc/front app=other');
    assert.equal(await plane.ok('get svc front -o jsonpath={.spec.selector}'), '{"app":"other"}');
    const container = JSON.parse(
      await plane.ok('get deploy front -o jsonpath={.spec.template.spec.containers[0]}'),
    ) as Record<string, unknown>;
    assert.deepEqual(
      [container['image'], container['env'], container['resources']],
      [
        'busybox:9',
        [{ name: 'B', value: '2' }],
        { limits: { cpu: '200m', memory: '512Mi' }, requests: { cpu: '100m' } },
      ],
    );
    await plane.ok('create role reads --verb=get --resource=pods');
    await plane.ok('create rolebinding reads --role=reads --user=ann');
    await plane.ok('set subject rolebinding reads --user=bob --serviceaccount=default:default');
    assert.match(await plane.ok('get rolebinding reads -o wide'), /ann, bob +default\/default$/m);
    await plane.ok('delete deploy,svc,hpa front');
  });

  test('label, annotate, taint, cordon', async () => {
    await plane.ok('run labelled --image=busybox');
    await plane.ok('label pod labelled a=b');
    assert.match(await plane.refused('label pod labelled a=c'), /already has a value \(b\)/);
    await plane.ok('label pod labelled a=c --overwrite');
    assert.match(
      await plane.refused('label pod labelled a=d --overwrite --resource-version=1'),
      /Operation cannot be fulfilled on pods "labelled": the object has been modified/,
    );
    assert.equal(await plane.ok('label pod labelled a-'), 'pod/labelled unlabeled\n');
    assert.match(
      await plane.refused(['label', 'pod', 'labelled', 'bad key=x']),
      /metadata\.labels: Invalid value: "bad key": name part must consist of alphanumeric characters/,
    );
    await plane.ok('annotate pod labelled note=hi');
    await plane.ok(
      'create -f -',
      '{"apiVersion":"v1","kind":"Node","metadata":{"name":"tainted"},"status":{"capacity":{"cpu":"1"}}}',
    );
    await plane.ok('taint node tainted k=v:NoSchedule');
    assert.match(await plane.refused('taint node tainted k=v:NoSchedule'), /already has k taint/);
    await plane.ok('taint node tainted k=w:PreferNoSchedule');
    await plane.ok('taint node tainted k-');
    assert.equal(await plane.ok('cordon tainted'), 'node/tainted cordoned\n');
    assert.match(await plane.ok('get node tainted'), /^tainted +\S*,SchedulingDisabled /m);
    assert.equal(await plane.ok('uncordon tainted'), 'node/tainted uncordoned\n');
    await plane.ok('delete pod labelled --now');
    await plane.ok('delete node tainted');
  });

  test('drain evicts what a budget allows', async () => {
    await plane.ok('create -f -', '{"apiVersion":"v1","kind":"Node","metadata":{"name":"drained"}}');
    for (const name of ['loose', 'guarded']) {
      const spec = { nodeName: 'drained', containers: [{ name: 'c', image: 'busybox' }] };
      const metadata = { name, labels: { app: name } };
      await plane.ok('create -f -', JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata, spec }));
    }
    assert.match(
      await plane.refused('drain drained'),
      /cannot delete Pods that declare no controller \(use --force to override\): default\/guarded, default\/loose/,
    );
    await plane.ok('create pdb guarded --selector=app=guarded --min-available=1');
    const ready = { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' };
    const patch = JSON.stringify({ status: { phase: 'Running', conditions: [ready] } });
    await plane.ok(['patch', 'pod', 'guarded', '--subresource=status', '--type=merge', '-p', patch]);
    // Seen by its controller: what was not is worth coming back for after ten seconds, and kubectl does, ten times.
    const seen = JSON.stringify({ status: { observedGeneration: 1, disruptionsAllowed: 0 } });
    await plane.ok(['patch', 'pdb', 'guarded', '--subresource=status', '--type=merge', '-p', seen]);
    const refused = await plane.refused('drain drained --force --grace-period=0 --timeout=2s');
    assert.match(refused, /Cannot evict pod as it would violate the pod's disruption budget\./);
    await eventually('the other is on its way', async () => {
      const gone = await plane.kubectl([
        'get',
        'pod',
        'loose',
        '-o',
        'jsonpath={.metadata.deletionTimestamp}',
      ]);
      return gone.code !== 0 || gone.stdout !== '';
    });
    assert.equal(await plane.ok('get pod guarded -o jsonpath={.metadata.deletionTimestamp}'), '');
    await plane.ok('delete pdb guarded');
    await plane.ok('delete pod --all --grace-period=0 --force');
    await plane.ok('delete node drained');
  });

  test('delete: orphan, foreground, background', async () => {
    await plane.ok('apply -f -', deployment('owner'));
    const pods = async (): Promise<number> => lines(await plane.ok('get pods -l app=owner -o name')).length;
    await eventually('two pods', async () => (await pods()) === 2);
    await plane.ok('delete deploy owner --cascade=orphan');
    const [set = ''] = lines(await plane.ok('get rs -l app=owner -o name'));
    await eventually('nobody owns it', async () => {
      return (await plane.ok(`get ${set} -o jsonpath={.metadata.ownerReferences}`)) === '';
    });
    assert.equal(await pods(), 2);
    await plane.ok(`delete ${set} --cascade=foreground --timeout=20s`);
    assert.equal(await pods(), 0, 'foreground: the set went last');
    await plane.ok('apply -f -', deployment('owner'));
    await eventually('two pods again', async () => (await pods()) === 2);
    await plane.ok('delete deploy owner --cascade=background');
    await eventually('all are gone', async () => (await pods()) === 0);
  });

  test('wait: create, condition, jsonpath, delete, and running out of time', async () => {
    const waiting = plane.ok('wait --for=create cm/awaited --timeout=20s');
    await plane.ok('create cm awaited --from-literal=a=b');
    assert.equal(await waiting, 'configmap/awaited condition met\n');
    assert.equal(
      await plane.ok('wait --for=jsonpath={.data.a}=b cm/awaited --timeout=5s'),
      'configmap/awaited condition met\n',
    );
    assert.match(
      await plane.refused('wait --for=condition=Ready pod/absent --timeout=1s'),
      /pods "absent" not found/,
    );
    await plane.ok('run awaited --image=busybox');
    assert.match(
      await plane.refused('wait --for=condition=Ready pod/awaited --timeout=1s'),
      /timed out waiting for the condition on pods\/awaited/,
    );
    const condition = plane.ok('wait --for=condition=Ready pod/awaited --timeout=20s');
    const ready = { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' };
    const patch = JSON.stringify({ status: { conditions: [ready] } });
    await plane.ok(['patch', 'pod', 'awaited', '--subresource=status', '-p', patch]);
    assert.equal(await condition, 'pod/awaited condition met\n');
    const deletion = plane.ok('wait --for=delete cm/awaited pod/awaited --timeout=20s');
    await plane.ok('delete cm,pod awaited --now');
    await deletion;
  });

  test('create: every generator, and each of them without writing', async () => {
    const made: readonly (readonly [words: string, kind: string])[] = [
      ['configmap made --from-literal=a=b', 'configmap'],
      ['secret generic made --from-literal=a=b', 'secret'],
      [
        'secret docker-registry made-docker --docker-username=u --docker-password=p --docker-server=s',
        'secret',
      ],
      ['deployment made --image=a --image=b --replicas=0', 'deployment'],
      ['job made --image=busybox -- true', 'job'],
      ['clusterrole made --verb=get --resource=pods', 'clusterrole'],
      ['clusterrole made-urls --verb=get --non-resource-url=/metrics', 'clusterrole'],
      ['clusterrolebinding made --clusterrole=made --user=u', 'clusterrolebinding'],
      ['role made --verb=get --resource=pods,deployments.apps --resource-name=x', 'role'],
      ['rolebinding made --clusterrole=made --group=g', 'rolebinding'],
      ['ingress made --rule=foo.com/bar=svc1:80,tls=my', 'ingress'],
      ['namespace made', 'namespace'],
      ['poddisruptionbudget made --selector=app=web --min-available=1', 'poddisruptionbudget'],
      ['priorityclass made --value=10 --description=x', 'priorityclass'],
      ['quota made --hard=pods=50', 'resourcequota'],
      ['service clusterip made --tcp=80', 'service'],
      ['service externalname made-name --external-name=foo.com', 'service'],
      ['service loadbalancer made-balancer --tcp=80:80', 'service'],
      ['service nodeport made-port --tcp=80', 'service'],
      ['serviceaccount made', 'serviceaccount'],
    ];
    for (const [words, kind] of made) {
      const [before = '', command] = words.split(' -- ');
      const tail = command === undefined ? '' : ` -- ${command}`;
      assert.match(
        await plane.ok(`create ${before} --dry-run=server${tail}`),
        new RegExp(`^${kind}\\S*/made\\S* created \\(server dry run\\)$`, 'm'),
      );
      assert.match(await plane.ok(`create ${words}`), new RegExp(`^${kind}\\S*/made\\S* created$`, 'm'));
    }
    await plane.ok(['create', 'cronjob', 'made', '--image=busybox', '--schedule=*/5 * * * *']);
    assert.equal(await plane.ok('create job from-cron --from=cronjob/made'), 'job.batch/from-cron created\n');
    await plane.ok('delete ns made --wait=false');
  });

  test('kustomize: build, apply, get, delete', async () => {
    const folder = join(plane.dir, 'kustomized');
    await mkdir(folder);
    await writeFile(
      join(folder, 'kustomization.yaml'),
      'namePrefix: k-\nlabels: [{pairs: {team: x}}]\nresources: [base.yaml]\nconfigMapGenerator: [{name: gen, literals: [a=b]}]\n',
    );
    await writeFile(join(folder, 'base.yaml'), deployment('base').replace('replicas: 2', 'replicas: 0'));
    assert.match(
      await plane.ok(['apply', '-k', folder]),
      /^configmap\/k-gen-\w+ created\ndeployment\.apps\/k-base created\n$/,
    );
    assert.match(
      await plane.ok(['apply', '-k', folder]),
      /^configmap\/k-gen-\w+ unchanged\ndeployment\.apps\/k-base unchanged\n$/,
    );
    assert.equal(lines(await plane.ok('get cm,deploy -l team=x -o name')).length, 2);
    await plane.ok(['delete', '-k', folder]);
  });

  test('get -w shows what happens as it happens', async () => {
    const watch = spawn(KUBECTL, [
      ...['--kubeconfig', plane.kubeconfig, 'get', 'pods', '-l', 'app=watched', '-w'],
      ...['--output-watch-events', '-o', 'wide'],
    ]);
    const exited = once(watch, 'exit');
    let seen = '';
    watch.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    try {
      await plane.ok('run watched --image=busybox -l app=watched');
      await eventually('its creation', () =>
        /^ADDED +watched .* <none> +<none> +<none> +<none>$/m.test(seen),
      );
      const target = { kind: 'Node', name: 'n1' };
      const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'watched' }, target };
      const path = '/api/v1/namespaces/default/pods/watched/binding';
      await plane.ok(`create --raw ${path} -f -`, JSON.stringify(binding));
      await eventually('its node', () => /^MODIFIED +watched .* n1 +<none> +<none>$/m.test(seen));
      await plane.ok('label pod watched app=other --overwrite');
      await eventually('that it is selected no more', () => /^DELETED +watched .* n1 /m.test(seen));
    } finally {
      watch.kill('SIGTERM');
      await exited;
    }
    await plane.ok('delete pod watched --force --grace-period=0');
  });
});
