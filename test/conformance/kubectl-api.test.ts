/** The real kubectl against the API server alone, on the memory and the SQLite store. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { stringAt } from '../../src/cluster/api/json.ts';
import { resources } from '../../src/cluster/api/resources.ts';
import { minimalObject } from '../../src/cluster/api/testing/minimal-objects.ts';
import { systemClock } from '../../src/base/clock.ts';
import { writeAtomically } from '../../src/base/write-atomically.ts';
import { loadOrCreatePki } from '../../src/cluster/server/pki.ts';
import { openMemoryStore } from '../../src/cluster/store/memory.ts';
import { openSqliteStore } from '../../src/cluster/store/sqlite.ts';
import type { Store } from '../../src/cluster/store/store.ts';
import { serveApi } from '../fixtures/api-server.ts';
import { eventually } from '../fixtures/eventually.ts';
import { KUBECTL, kubectlFor, type KubectlResult } from '../fixtures/kubectl.ts';

const WEB = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: busybox, env: [{name: A, value: "1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, nodePort: 30080}]
`;

const STORES: Readonly<Record<string, (dir: string) => Promise<Store>>> = {
  memory: () => openMemoryStore({ clock: systemClock }),
  sqlite: (dir) => openSqliteStore({ path: join(dir, 'state.db'), clock: systemClock }),
};

for (const [name, openStore] of Object.entries(STORES)) {
  describe(`kubectl on the ${name} store`, () => {
    const stack = new AsyncDisposableStack();
    let kubeconfig: string;
    let kubectl: ReturnType<typeof kubectlFor>;

    before(async () => {
      const dir = await mkdtemp(join(tmpdir(), 'sampan-kubectl-'));
      stack.defer(() => rm(dir, { recursive: true }));
      kubeconfig = join(dir, 'kubeconfig');
      const pki = await loadOrCreatePki({ dir: join(dir, 'pki'), clock: systemClock, names: [] });
      const store = stack.use(await openStore(dir));
      const signingKey = pki.serviceAccountKey;
      const serviceAccounts = { signingKey, issuer: 'https://sampan', audiences: ['api'] };
      const api = stack.use(await serveApi({ store, pki, authentication: { serviceAccounts } }));
      writeAtomically(kubeconfig, api.kubeconfig);
      kubectl = kubectlFor(kubeconfig);
      // No controller is here to make it, and pods run as it.
      await kubectl(['create', 'serviceaccount', 'default']);
    });

    after(() => stack.disposeAsync());

    async function ok(args: string, input?: string): Promise<string> {
      const result = await kubectl(args.split(' '), input);
      assert.equal(result.code, 0, `kubectl ${args}: ${result.stderr}`);
      return result.stdout;
    }

    async function refused(args: string, input?: string): Promise<string> {
      const result = await kubectl(args.split(' '), input);
      assert.notEqual(result.code, 0, `kubectl ${args}: ${result.stdout}`);
      return result.stderr;
    }

    test('version and discovery', async () => {
      assert.match(await ok('version'), /Server Version: v1\.36\.0\+sampan/);
      const resources = await ok('api-resources');
      assert.match(resources, /^deployments +deploy +apps\/v1 +true +Deployment$/m);
      assert.match(resources, /^nodes +no +v1 +false +Node$/m);
      assert.deepEqual((await ok('api-versions')).trim().split('\n'), [
        'admissionregistration.k8s.io/v1',
        'apiextensions.k8s.io/v1',
        'apiregistration.k8s.io/v1',
        'apps/v1',
        'authentication.k8s.io/v1',
        'authorization.k8s.io/v1',
        'autoscaling/v1',
        'autoscaling/v2',
        'batch/v1',
        'certificates.k8s.io/v1',
        'coordination.k8s.io/v1',
        'discovery.k8s.io/v1',
        'events.k8s.io/v1',
        'flowcontrol.apiserver.k8s.io/v1',
        'networking.k8s.io/v1',
        'node.k8s.io/v1',
        'policy/v1',
        'rbac.authorization.k8s.io/v1',
        'resource.k8s.io/v1',
        'scheduling.k8s.io/v1',
        'storage.k8s.io/v1',
        'v1',
      ]);
      assert.match(await ok('auth whoami'), /kubernetes-admin/);
      assert.equal((await ok('auth can-i get pods')).trim(), 'yes');
      assert.equal(await ok('get --raw /readyz'), 'ok');
    });

    test('every kind: create, get, explain, delete', async () => {
      const kinds = resources.filter(({ verbs, virtual }) => !virtual && verbs.includes('create'));
      // One view of events and autoscalers is enough, and nobody here finishes a namespace.
      const made = kinds.filter(
        ({ group, version, kind }) =>
          group !== 'events.k8s.io' &&
          kind !== 'Namespace' &&
          !(kind === 'HorizontalPodAutoscaler' && version === 'v1'),
      );
      const objects = made.map((kind) => ({ ...minimalObject(kind, 'every-kind') }));
      const list = objects.map((object) => JSON.stringify(object)).join('\n---\n');
      const created = await ok('create -f -', list);
      assert.equal(created.trim().split('\n').length, made.length, created);
      const wide = await ok('get -f - -o wide', list);
      for (const [index, { resource }] of made.entries()) {
        const object = objects[index];
        assert.ok(wide.includes(stringAt(object, 'metadata', 'name')), `${resource} is shown`);
      }
      assert.match(wide, /^job\.batch\/every-kind +Running +0\/1 +\d+s +web +web:1 +batch\.kubernetes/m);
      const explained = await Promise.all(
        ['job.spec', 'hpa.spec.metrics', 'ingress.spec.rules', 'vap.spec', 'pvc.spec'].map((path) =>
          kubectl(['explain', path.replace('vap', 'validatingadmissionpolicy')]),
        ),
      );
      for (const { stdout } of explained) assert.match(stdout, /^FIELDS:$/m);
      const deleted = await ok('delete --wait=false --now -f -', list);
      assert.equal(
        deleted
          .trim()
          .split('\n')
          .filter((line) => line.includes('deleted')).length,
        made.length,
      );
    });

    test('explain', async () => {
      assert.match(await ok('explain pod.spec.containers.image'), /FIELD: image <string>/);
      assert.match(await ok('explain deployment --recursive'), /^ {4}replicas\t<integer>$/m);
      const maxSurge = await ok('explain deployment.spec.strategy.rollingUpdate.maxSurge');
      assert.match(maxSurge, /FIELD: maxSurge <IntOrString>/);
      const limits = await ok('explain pod.spec.containers.resources.limits');
      assert.match(limits, /FIELD: limits <map\[string\]Quantity>/);
    });

    test('apply: create, leave, change, delete', async () => {
      assert.equal(await ok('apply -f -', WEB), 'deployment.apps/web created\nservice/web created\n');
      assert.equal(await ok('apply -f -', WEB), 'deployment.apps/web unchanged\nservice/web unchanged\n');
      const changed = WEB.replace('value: "1"', 'value: "2"');
      assert.match(await ok('diff -f -', WEB), /^$/);
      assert.equal(
        await ok('apply -f -', changed),
        'deployment.apps/web configured\nservice/web unchanged\n',
      );
      const env = '{.metadata.generation} {.spec.template.spec.containers[0].env[0].value}';
      assert.equal(await ok(`get deploy web -o=jsonpath=${env.replaceAll(' ', '/')}`), '2/2');
      assert.match(await ok('get deploy web -o wide'), /^web +0\/2 +0 +0 +\d+s +web +busybox +app=web$/m);
      assert.match(await ok('get svc web'), /^web +NodePort +10\.96\.\d+\.\d+ +<none> +80:30080\/TCP/m);
      const second = WEB.split('---')[1]!.replace('name: web}', 'name: other}');
      assert.match(
        await refused('apply -f -', second),
        /spec\.ports\[0\]\.nodePort: Invalid value: 30080: provided port is already allocated/,
      );
    });

    test('apply on the server: managers, conflicts, force, taking over from the client side', async () => {
      const map = (data: string): string =>
        `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ssa}\ndata: ${data}\n`;
      const apply = 'apply --server-side -f -';
      assert.equal(await ok(apply, map('{a: "1", b: "1"}')), 'configmap/ssa serverside-applied\n');
      const owners = await ok(
        'get configmap ssa --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}',
      );
      assert.equal(owners, 'kubectl');
      assert.equal(
        await ok(`${apply} --field-manager=other`, map('{b: "1"}')),
        'configmap/ssa serverside-applied\n',
      );
      const conflict = await refused(`${apply} --field-manager=other`, map('{a: "2"}'));
      assert.match(conflict, /Apply failed with 1 conflict: conflict with "kubectl": \.data\.a/);
      assert.match(conflict, /--force-conflicts/);
      await ok(`${apply} --field-manager=other --force-conflicts`, map('{a: "2"}'));
      assert.equal(await ok('get configmap ssa -o jsonpath={.data}'), '{"a":"2","b":"1"}');
      await ok(apply, map('{c: "1"}'));
      assert.equal(await ok('get configmap ssa -o jsonpath={.data}'), '{"a":"2","c":"1"}');
      assert.match(
        await refused(apply, map('{c: "1"}\ncolour: red')),
        /\.colour: field not declared in schema/,
      );
      await ok('delete configmap ssa');

      await ok('apply -f -', map('{a: "1", b: "1"}'));
      assert.equal(await ok(apply, map('{a: "2"}')), 'configmap/ssa serverside-applied\n');
      assert.equal(await ok('get configmap ssa -o jsonpath={.data}'), '{"a":"2"}');
      await ok('delete configmap ssa');
    });

    test('roles and bindings, and what one may do', async () => {
      await ok('create role reader --verb=get,list --resource=configmaps');
      await ok('create rolebinding robots --role=reader --serviceaccount=default:robot');
      assert.match(
        await ok('get rolebinding robots -o wide'),
        /^robots +Role\/reader +\d+s +default\/robot$/m,
      );
      assert.match(await ok('auth can-i --list'), /\*\.\* +\[\] +\[\] +\[\*\]/);
      await ok('create serviceaccount robot');
      const robot = '--as=system:serviceaccount:default:robot';
      assert.equal((await ok(`auth can-i list configmaps ${robot}`)).trim(), 'yes');
      assert.match(await refused(`get secrets ${robot}`), /cannot list resource "secrets" in API group ""/);
      const token = (await ok('create token robot --duration=1h')).trim();
      assert.equal(token.split('.').length, 3);
      assert.match(await refused('create token robot --duration=1s'), /less than 10 minutes/);
      await ok('delete rolebinding/robots role/reader serviceaccount/robot');
    });

    test('custom resources: define, wait, explain, columns, scale, delete', async () => {
      const size = '{type: integer, minimum: 1, description: How big.}';
      const spec = `{type: object, required: [size], properties: {size: ${size}, replicas: {type: integer}}}`;
      const schema = `{type: object, properties: {spec: ${spec}, status: {type: object}}}`;
      const crd = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wd], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: ${schema}}
    subresources: {scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
`;
      assert.match(await ok('apply -f -', crd), /created/);
      await ok('wait --for=condition=Established crd/widgets.example.com --timeout=10s');
      const widget = 'apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 3}\n';
      assert.match(await ok('apply -f -', widget), /widget.example.com\/w created/);
      assert.match(await ok('get wd'), /^NAME +SIZE\nw +3$/m);
      assert.match(await ok('get all'), /widget.example.com\/w/);
      assert.match(await ok('explain widget'), /apiVersion\t<string>\n +APIVersion defines/);
      const metadata = await ok('explain widget.metadata');
      assert.match(metadata, /Standard object's metadata[^]*creationTimestamp[^]*CreationTimestamp is/);
      assert.match(await ok('explain widget.spec.size'), /FIELD: size <integer>[^]*How big\./);
      await ok('scale widget w --replicas=4');
      assert.equal(await ok('get widget w -o jsonpath={.spec.replicas}'), '4');
      assert.match(
        await refused('apply -f -', widget.replace('3', '0')),
        /should be greater than or equal to 1/,
      );
      assert.match(await refused('apply -f -', widget.replace('size', 'sise')), /unknown field "spec.sise"/);
      await ok('delete crd widgets.example.com');
      assert.match(await refused('get widgets'), /NotFound|doesn't have a resource type/);
    });

    test('patch in three ways, scale, label, annotate, set, wait', async () => {
      const replicas = (): Promise<string> => ok('get deploy web -o=jsonpath={.spec.replicas}');
      await ok('patch deploy web -p {"spec":{"replicas":3}}');
      assert.equal(await replicas(), '3');
      await ok('patch deploy web --type=merge -p {"spec":{"replicas":4}}');
      assert.equal(await replicas(), '4');
      await ok('patch deploy web --type=json -p [{"op":"replace","path":"/spec/replicas","value":5}]');
      assert.equal(await replicas(), '5');
      await ok('scale deploy web --replicas=6');
      await ok('wait --for=jsonpath={.spec.replicas}=6 deploy/web --timeout=10s');
      await ok('label deploy web tier=front');
      await ok('annotate deploy web note=hi');
      assert.equal(await ok('get deploy -l tier=front -o name'), 'deployment.apps/web\n');
      await ok('set image deploy/web web=busybox:2');
      await ok('rollout restart deploy/web');
      assert.match(await ok('describe deploy web'), /Image: +busybox:2/);
    });

    test('edit', async () => {
      const edit = (script: string): Promise<KubectlResult> =>
        kubectl(['edit', 'deploy', 'web'], '', {
          KUBE_EDITOR: `sed -i '${script}'`,
          TMPDIR: dirname(kubeconfig),
        });
      const edited = await edit('s/replicas: 6/replicas: 7/');
      assert.deepEqual([edited.code, edited.stdout], [0, 'deployment.apps/web edited\n'], edited.stderr);
      assert.equal(await ok('get deploy web -o=jsonpath={.spec.replicas}'), '7');
      assert.match((await edit('s/x/x/')).stderr, /Edit cancelled, no changes made/);
    });

    test('create sends protobuf', async () => {
      await ok('create deployment made --image=nginx --replicas=0 --port=80');
      const read = '{.spec.replicas}/{.spec.template.spec.containers[0].ports[0].containerPort}';
      assert.equal(await ok(`get deploy made -o=jsonpath=${read}`), '0/80');
      await ok('create configmap conf --from-literal=a=b');
      await ok('create secret generic hidden --from-literal=a=b');
      assert.equal(await ok('get secret hidden -o=jsonpath={.data.a}/{.type}'), 'Yg==/Opaque');
      await ok('create service nodeport np --tcp=80:8080');
      await ok('create serviceaccount robot');
      assert.match(await refused('create namespace default'), /namespaces "default" already exists/);
    });

    test('what is wrong with a manifest is said with its path', async () => {
      const pod = (container: string): string =>
        `apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: [${container}]}\n`;
      assert.match(
        await refused('apply -f -', pod('{name: x, imag: busybox}')),
        /strict decoding error: unknown field "spec\.containers\[0\]\.imag"/,
      );
      assert.match(
        await refused('create -f -', pod('{name: x}')),
        /The Pod "bad" is invalid: spec\.containers\[0\]\.image: Required value/,
      );
      assert.match(
        await refused('create -n none -f -', pod('{name: x, image: z}')),
        /namespaces "none" not found/,
      );
      assert.match(await refused('get pod nosuch'), /pods "nosuch" not found/);
      assert.match(await refused('get nosuch'), /the server doesn't have a resource type "nosuch"/);
    });

    test('a stale resourceVersion conflicts', async () => {
      const stale = await ok('get configmap conf -o yaml');
      await ok('label configmap conf z=1');
      assert.match(
        await refused('replace -f -', stale),
        /Operation cannot be fulfilled on configmaps "conf": the object has been modified/,
      );
    });

    test('a pod is bound, shown, and deleted gracefully', async () => {
      await ok('run p --image=busybox');
      const binding = {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name: 'p' },
        target: { kind: 'Node', name: 'n1' },
      };
      await ok('create --raw /api/v1/namespaces/default/pods/p/binding -f -', JSON.stringify(binding));
      assert.match(await ok('get pods -o wide'), /^p +0\/1 +Pending +0 +\d+s +<none> +n1 +<none> +<none>$/m);
      assert.equal(await ok('get pods --field-selector=spec.nodeName=n1 -o name'), 'pod/p\n');
      await ok('delete pod p --wait=false');
      assert.match(await ok('get pod p'), /Terminating/);
      await ok('delete pod p --grace-period=0 --force');
      await ok('wait --for=delete pod/p --timeout=10s');
    });

    test('watch sees what happens', async () => {
      const args = ['--kubeconfig', kubeconfig, 'get', 'cm', '-w', '--output-watch-events'];
      const watch = spawn(KUBECTL, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const exited = once(watch, 'exit');
      let seen = '';
      watch.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()));
      try {
        await eventually('the present state', () => /^ADDED +conf /m.test(seen));
        await ok('create configmap seen');
        await eventually('the creation', () => /^ADDED +seen /m.test(seen));
        await ok('delete configmap seen');
        await eventually('the deletion', () => /^DELETED +seen /m.test(seen));
      } finally {
        watch.kill('SIGTERM');
        await exited;
      }
    });

    test('a namespace waits for its finalizer; chunks add up', async () => {
      await ok('create namespace passing');
      await ok('delete namespace passing --wait=false');
      assert.match(await ok('get namespace passing'), /Terminating/);
      assert.match(await refused('create configmap x -n passing'), /because it is being terminated/);
      const namespaces = await ok('get namespaces --chunk-size=2 -o name');
      assert.equal(namespaces.trim().split('\n').length, 5);
      assert.match(await refused('delete namespace default'), /this namespace may not be deleted/);
    });

    test('delete by selector and file', async () => {
      await ok('delete -f -', WEB);
      await ok('delete cm,secret --all');
      assert.doesNotMatch(await ok('get all'), /web/);
    });
  });
}
