/** The real helm: charts with hooks, definitions, roles, look-ups; install, upgrade, rollback, test, uninstall, and failures. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startTestControlPlane, type TestControlPlane } from '../fixtures/control-plane.ts';
import { eventually } from '../fixtures/eventually.ts';
import { helmFor, writeChart } from '../fixtures/helm.ts';
import { OUTCOME, startHollowNode } from '../fixtures/hollow-node.ts';

/** A pod that is a hook, and how it ends. */
const hookPod = (
  name: string,
  hooks: string,
  more: { outcome?: string; weight?: number; policy?: string } = {},
): string => `
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-${name}
  annotations:
    helm.sh/hook: ${hooks}
    helm.sh/hook-weight: "${more.weight ?? 0}"
    helm.sh/hook-delete-policy: ${more.policy ?? 'before-hook-creation'}
    ${OUTCOME}: ${more.outcome ?? 'Succeeded'}
spec:
  restartPolicy: Never
  containers: [{name: hook, image: busybox, command: [echo, {{ .Values.text | quote }}]}]
`;

const CHART: Readonly<Record<string, string>> = {
  'Chart.yaml': 'apiVersion: v2\nname: web\nversion: 1.2.3\nappVersion: "7"\nkubeVersion: ">=1.30.0-0"\n',
  'values.yaml': 'replicas: 1\ntext: hello\nfailing: false\n',
  'crds/gadget.yaml': `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.helm.example.com}
spec:
  group: helm.example.com
  scope: Namespaced
  names: {plural: gadgets, kind: Gadget}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
`,
  'templates/gadget.yaml':
    'apiVersion: helm.example.com/v1\nkind: Gadget\nmetadata: {name: "{{ .Release.Name }}"}\nspec: {size: {{ .Values.replicas }}}\n',
  'templates/config.yaml': `apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}"}
data:
  text: {{ .Values.text | quote }}
  # What the cluster says when the chart is made.
  namespace: {{ (lookup "v1" "Namespace" "" .Release.Namespace).metadata.uid | default "none" | quote }}
  absent: {{ lookup "v1" "Secret" .Release.Namespace "absent" | len | quote }}
  capable: {{ .Capabilities.APIVersions.Has "apps/v1/Deployment" | quote }}
  version: {{ .Capabilities.KubeVersion.Minor | quote }}
`,
  'templates/deployment.yaml': `apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}"}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: "{{ .Release.Name }}"}}
  template:
    metadata: {labels: {app: "{{ .Release.Name }}"}}
    spec: {serviceAccountName: "{{ .Release.Name }}", containers: [{name: web, image: "busybox:{{ .Values.text }}"}]}
`,
  'templates/service.yaml':
    'apiVersion: v1\nkind: Service\nmetadata: {name: "{{ .Release.Name }}"}\nspec: {selector: {app: "{{ .Release.Name }}"}, ports: [{port: 80}]}\n',
  'templates/rbac.yaml': `apiVersion: v1
kind: ServiceAccount
metadata: {name: "{{ .Release.Name }}"}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: "{{ .Release.Name }}"}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: "{{ .Release.Name }}"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: "{{ .Release.Name }}"}
subjects: [{kind: ServiceAccount, name: "{{ .Release.Name }}", namespace: "{{ .Release.Namespace }}"}]
`,
  'templates/hooks.yaml': [
    hookPod('before', 'pre-install,pre-upgrade,pre-rollback', { weight: -5 }),
    hookPod('after', 'post-install,post-upgrade,post-rollback', {
      policy: 'before-hook-creation,hook-succeeded',
    }),
    hookPod('going', 'pre-delete'),
    hookPod('gone', 'post-delete'),
    hookPod('test-first', 'test', { weight: 1 }),
    hookPod('test-second', 'test', {
      weight: 2,
      outcome: '{{ if .Values.failing }}Failed{{ else }}Succeeded{{ end }}',
    }),
  ].join('\n---\n'),
};

describe('helm', () => {
  const stack = new AsyncDisposableStack();
  let plane: TestControlPlane;
  let helm: ReturnType<typeof helmFor>;
  let chart: string;

  before(async () => {
    plane = stack.use(await startTestControlPlane());
    stack.use(startHollowNode(plane.component));
    helm = helmFor(plane.kubeconfig, plane.dir);
    chart = await writeChart(join(plane.dir, 'web'), CHART);
  });

  after(() => stack.disposeAsync());

  async function ok(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await helm(args);
    assert.equal(code, 0, `helm ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  async function refused(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await helm(args);
    assert.notEqual(code, 0, `helm ${args.join(' ')}: ${stdout}`);
    return stderr;
  }

  const value = (what: string, path: string): Promise<string> =>
    plane.ok(['get', ...what.split(' '), '-o', `jsonpath=${path}`]);

  test('install --wait: definitions first, hooks around, look-ups answered, applied on the server', async () => {
    const out = await ok('install', 'one', chart, '--wait', '--timeout=60s');
    assert.match(out, /^STATUS: deployed\nREVISION: 1$/m);
    assert.equal(await value('gadget one', '{.spec.size}'), '1');
    assert.equal(await value('deploy one', '{.status.readyReplicas}'), '1', '--wait has waited');
    const uid = await value('ns default', '{.metadata.uid}');
    assert.deepEqual(JSON.parse(await value('cm one', '{.data}')), {
      text: 'hello',
      namespace: uid,
      absent: '0',
      capable: 'true',
      version: '36',
    });
    assert.match(
      await plane.ok('get deploy one -o jsonpath={.metadata.managedFields[*].manager} --show-managed-fields'),
      /\bhelm\b/,
    );
    assert.equal(await value('deploy one', '{.metadata.annotations.meta\\.helm\\.sh/release-name}'), 'one');
    assert.equal(await value('pod one-before', '{.status.phase}'), 'Succeeded', 'kept: its policy says so');
    assert.match(await plane.refused('get pod one-after'), /NotFound/, 'deleted once it had succeeded');
    assert.match(await plane.refused('get pod one-going'), /NotFound/);
    const robot = '--as=system:serviceaccount:default:one';
    assert.equal(await plane.ok(`auth can-i get configmaps ${robot}`), 'yes\n');
    assert.match(await refused('install', 'one', chart), /cannot reuse a name that is still in use/);
  });

  test('upgrade, history, get, rollback', async () => {
    const set = 'get cm one -o jsonpath={.data.text}';
    await ok('upgrade', 'one', chart, '--set', 'text=second,replicas=2', '--wait', '--timeout=60s');
    assert.equal(await plane.ok(set), 'second');
    assert.equal(
      await value('deploy one', '{.status.readyReplicas}/{.spec.template.spec.containers[0].image}'),
      '2/busybox:second',
    );
    const history = JSON.parse(await ok('history', 'one', '-o', 'json')) as {
      revision: number;
      status: string;
    }[];
    assert.deepEqual(
      history.map(({ revision, status }) => `${revision} ${status}`),
      ['1 superseded', '2 deployed'],
    );
    assert.match(await ok('get', 'all', 'one'), /^USER-SUPPLIED VALUES:\nreplicas: 2\ntext: second$/m);
    assert.match(await ok('get', 'manifest', 'one'), /^kind: Deployment$/m);
    assert.match(await ok('get', 'hooks', 'one'), /one-before/);
    await ok('rollback', 'one', '1', '--wait', '--timeout=60s');
    assert.equal(await plane.ok(set), 'hello');
    assert.match(await ok('status', 'one'), /^REVISION: 3$/m);
    assert.match(await ok('list'), /^one\s+default\s+3\s.*deployed\s+web-1\.2\.3\s+7/m);
    assert.equal((await plane.ok('get secrets -l owner=helm,name=one -o name')).trim().split('\n').length, 3);
  });

  test('upgrade meets what another has changed: a conflict, unless forced', async () => {
    await plane.ok(
      'apply --server-side --force-conflicts --field-manager=other -f -',
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {text: theirs}\n',
    );
    assert.match(
      await refused('upgrade', 'one', chart, '--set', 'text=third'),
      /conflict with "other": \.data\.text/,
    );
    await ok('upgrade', 'one', chart, '--set', 'text=third', '--force-conflicts');
    assert.equal(await value('cm one', '{.data.text}'), 'third');
  });

  test('test: hooks by weight; one that fails fails the run', async () => {
    const passed = await ok('test', 'one', '--timeout=30s');
    assert.match(
      passed,
      /TEST SUITE: +one-test-first[^]*Phase: +Succeeded[^]*TEST SUITE: +one-test-second[^]*Phase: +Succeeded/,
    );
    await ok('upgrade', 'one', chart, '--set', 'failing=true', '--force-conflicts');
    assert.match(await refused('test', 'one', '--timeout=30s'), /pod one-test-second failed|one-test-second/);
    assert.equal(await value('pod one-test-first', '{.status.phase}'), 'Succeeded');
  });

  test('uninstall: hooks, everything of the release, but no definitions', async () => {
    assert.match(await ok('uninstall', 'one', '--wait', '--timeout=60s'), /release "one" uninstalled/);
    await eventually(
      'all of it has gone',
      async () =>
        (await plane.ok('get deploy,rs,svc,sa,role,rolebinding,gadget -o name')).trim() ===
        'service/kubernetes\nserviceaccount/default',
    );
    assert.equal(await value('pod one-gone', '{.status.phase}'), 'Succeeded');
    assert.equal(await plane.ok('get secrets -l owner=helm -o name'), '');
    assert.match(await plane.ok('get crd gadgets.helm.example.com'), /gadgets/);
    assert.match(await refused('status', 'one'), /release: not found/);
  });

  test('a hook that fails: the install is failed, with --rollback-on-failure nothing stays', async () => {
    const bad = await writeChart(join(plane.dir, 'bad'), {
      ...{ 'Chart.yaml': 'apiVersion: v2\nname: bad\nversion: 0.1.0\n', 'values.yaml': 'text: x\n' },
      'templates/config.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "{{ .Release.Name }}"}\n',
      'templates/hook.yaml': hookPod('fails', 'post-install', { outcome: 'Failed', policy: 'hook-failed' }),
    });
    assert.match(await refused('install', 'bad', bad, '--timeout=20s'), /failed post-install/);
    assert.match(await ok('list'), /^bad\s.*failed/m);
    assert.match(await plane.refused('get pod bad-fails'), /NotFound/, 'hook-failed takes it away');
    await ok('uninstall', 'bad');
    const atomic = ['install', 'bad', bad, '--timeout=20s', '--rollback-on-failure'];
    assert.match(await refused(...atomic), /failed post-install/);
    assert.equal(await ok('list', '-q'), '');
    assert.match(await plane.refused('get cm bad'), /NotFound/);
  });

  test('what is wrong with a chart is said by the server; --dry-run=server changes nothing', async () => {
    const wrong = await writeChart(join(plane.dir, 'wrong'), {
      'Chart.yaml': 'apiVersion: v2\nname: wrong\nversion: 0.1.0\n',
      'templates/all.yaml':
        'apiVersion: v1\nkind: Service\nmetadata: {name: wrong}\nspec: {ports: [{port: 0}]}\n',
    });
    assert.match(
      await refused('install', 'wrong', wrong),
      /spec\.ports\[0\]\.port: Invalid value: 0: must be between 1 and 65535/,
    );
    await ok('uninstall', 'wrong');
    assert.match(await ok('install', 'dry', chart, '--dry-run=server'), /^ {2}absent: "0"$/m);
    assert.match(await plane.refused('get cm dry'), /NotFound/);
    const made = await ok('template', 'dry', chart, '--validate');
    assert.match(made, /^kind: RoleBinding$/m);
  });
});
