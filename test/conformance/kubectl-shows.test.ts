/** What kubectl shows: columns of every kind, descriptions, explanations, lists in all forms, and who may see them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { stringAt } from '../../src/cluster/api/json.ts';
import { resources } from '../../src/cluster/api/resources.ts';
import { minimalObject } from '../../src/cluster/api/testing/minimal-objects.ts';
import { startTestControlPlane, type TestControlPlane } from '../fixtures/control-plane.ts';
import { eventually } from '../fixtures/eventually.ts';
import { KUBECTL } from '../fixtures/kubectl.ts';

const WORKLOAD = 'CONTAINERS IMAGES SELECTOR';
const WEBHOOKS = 'WEBHOOKS AGE';

/** The header line of `get -o wide`, as kubectl prints it on kube-apiserver 1.36; words are joined by one space. */
const HEADERS: Readonly<Record<string, string>> = {
  certificatesigningrequests: 'AGE SIGNERNAME REQUESTOR REQUESTEDDURATION CONDITION',
  clusterrolebindings: 'ROLE AGE USERS GROUPS SERVICEACCOUNTS',
  clusterroles: 'CREATED AT',
  configmaps: 'DATA AGE',
  controllerrevisions: 'CONTROLLER REVISION AGE',
  cronjobs: `SCHEDULE TIMEZONE SUSPEND ACTIVE LAST SCHEDULE AGE ${WORKLOAD}`,
  csidrivers: 'ATTACHREQUIRED PODINFOONMOUNT STORAGECAPACITY TOKENREQUESTS REQUIRESREPUBLISH MODES AGE',
  csinodes: 'DRIVERS AGE',
  csistoragecapacities: 'CREATED AT',
  customresourcedefinitions: 'CREATED AT',
  daemonsets: `DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE ${WORKLOAD}`,
  deployments: `READY UP-TO-DATE AVAILABLE AGE ${WORKLOAD}`,
  deviceclasses: 'AGE',
  endpoints: 'ENDPOINTS AGE',
  endpointslices: 'ADDRESSTYPE PORTS ENDPOINTS AGE',
  events: 'LAST SEEN TYPE REASON OBJECT SUBOBJECT SOURCE MESSAGE FIRST SEEN COUNT NAME',
  flowschemas: 'PRIORITYLEVEL MATCHINGPRECEDENCE DISTINGUISHERMETHOD AGE MISSINGPL',
  horizontalpodautoscalers: 'REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE',
  ingressclasses: 'CONTROLLER PARAMETERS AGE',
  ingresses: 'CLASS HOSTS ADDRESS PORTS AGE',
  ipaddresses: 'PARENTREF',
  jobs: `STATUS COMPLETIONS DURATION AGE ${WORKLOAD}`,
  leases: 'HOLDER AGE',
  limitranges: 'CREATED AT',
  mutatingadmissionpolicies: 'MUTATIONS PARAMKIND AGE',
  mutatingadmissionpolicybindings: 'POLICYNAME PARAMREF AGE',
  mutatingwebhookconfigurations: WEBHOOKS,
  networkpolicies: 'POD-SELECTOR AGE',
  nodes: 'STATUS ROLES AGE VERSION INTERNAL-IP EXTERNAL-IP OS-IMAGE KERNEL-VERSION CONTAINER-RUNTIME',
  persistentvolumeclaims:
    'STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE VOLUMEMODE',
  persistentvolumes:
    'CAPACITY ACCESS MODES RECLAIM POLICY STATUS CLAIM STORAGECLASS VOLUMEATTRIBUTESCLASS REASON AGE VOLUMEMODE',
  poddisruptionbudgets: 'MIN AVAILABLE MAX UNAVAILABLE ALLOWED DISRUPTIONS AGE',
  pods: 'READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES',
  podtemplates: 'CONTAINERS IMAGES POD LABELS',
  priorityclasses: 'VALUE GLOBAL-DEFAULT AGE PREEMPTIONPOLICY',
  prioritylevelconfigurations: 'TYPE NOMINALCONCURRENCYSHARES QUEUES HANDSIZE QUEUELENGTHLIMIT AGE',
  replicasets: `DESIRED CURRENT READY AGE ${WORKLOAD}`,
  replicationcontrollers: `DESIRED CURRENT READY AGE ${WORKLOAD}`,
  resourceclaims: 'STATE AGE',
  resourceclaimtemplates: 'AGE',
  resourcequotas: 'REQUEST LIMIT AGE',
  resourceslices: 'NODE DRIVER POOL AGE',
  rolebindings: 'ROLE AGE USERS GROUPS SERVICEACCOUNTS',
  roles: 'CREATED AT',
  runtimeclasses: 'HANDLER AGE',
  secrets: 'TYPE DATA AGE',
  serviceaccounts: 'AGE',
  servicecidrs: 'CIDRS AGE',
  services: 'TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE SELECTOR',
  statefulsets: 'READY AGE CONTAINERS IMAGES',
  storageclasses: 'PROVISIONER RECLAIMPOLICY VOLUMEBINDINGMODE ALLOWVOLUMEEXPANSION AGE',
  validatingadmissionpolicies: 'VALIDATIONS PARAMKIND AGE',
  validatingadmissionpolicybindings: 'POLICYNAME PARAMREF AGE',
  validatingwebhookconfigurations: WEBHOOKS,
  volumeattachments: 'ATTACHER PV NODE ATTACHED AGE',
  volumeattributesclasses: 'DRIVERNAME AGE',
};

/** What `describe` says of a kind besides its name. */
const DESCRIBED: Readonly<Record<string, readonly RegExp[]>> = {
  nodes: [/^Taints: /m, /^Allocated resources:$/m, /^Lease: /m],
  pods: [/^Service Account: +default$/m, /^QoS Class: +BestEffort$/m, /^ {4}Image: +web:1$/m],
  services: [/^IP Family Policy: +SingleStack$/m, /^IP: +10\./m, /^Internal Traffic Policy: +Cluster$/m],
  endpoints: [/^ {2}Addresses: +10\.0\.0\.1$/m],
  configmaps: [/^key:\n----\nvalue$/m],
  secrets: [/^Type: +Opaque$/m],
  serviceaccounts: [/^Image pull secrets: +<none>$/m],
  persistentvolumes: [/^Finalizers: +\[kubernetes\.io\/pv-protection\]$/m, /^ {4}Path: +\/data$/m],
  persistentvolumeclaims: [
    /^Finalizers: +\[kubernetes\.io\/pvc-protection\]$/m,
    /^VolumeMode: +Filesystem$/m,
  ],
  replicationcontrollers: [/^Replicas: +\d+ current \/ 1 desired$/m],
  limitranges: [/^Container +cpu +- +1 +1 +1 +-$/m],
  resourcequotas: [/^pods +\d+ +10$/m],
  deployments: [
    /^StrategyType: +RollingUpdate$/m,
    /^RollingUpdateStrategy: +25% max unavailable, 25% max surge$/m,
  ],
  replicasets: [/^Replicas: +\d+ current \/ 1 desired$/m],
  statefulsets: [/^Update Strategy: +RollingUpdate$/m],
  daemonsets: [/^Desired Number of Nodes Scheduled: \d+$/m],
  jobs: [/^Completion Mode: +NonIndexed$/m, /^Backoff Limit: +6$/m],
  cronjobs: [/^Schedule: +\*\/5 \* \* \* \*$/m, /^Successful Job History Limit: +3$/m],
  horizontalpodautoscalers: [/^Min replicas: +1$/m, /^Reference: +Deployment\/web$/m],
  poddisruptionbudgets: [/^Min available: +1$/m, /^ {4}Allowed disruptions: +0$/m],
  endpointslices: [/^AddressType: +IPv4$/m],
  ingresses: [/^Default backend: +web:80 /m],
  ingressclasses: [/^Controller: +example\.com\/controller$/m],
  networkpolicies: [/^ {2}Policy Types: Ingress$/m],
  storageclasses: [/^VolumeBindingMode: +Immediate$/m],
  priorityclasses: [/^PreemptionPolicy: +PreemptLowerPriority$/m],
  clusterrolebindings: [/^ {2}Kind: +ClusterRole\n {2}Name: +view$/m],
  csinodes: [/^CreationTimestamp: /m],
  certificatesigningrequests: [/^Requesting User: +kubernetes-admin$/m, /^ +Common Name: +jane$/m],
  customresourcedefinitions: [/^ {2}Accepted Names:$/m, /^ {4}Type: +Established$/m],
  validatingadmissionpolicies: [/^ {2}Failure Policy: +Fail$/m],
  flowschemas: [/^ {2}Matching Precedence: +1000$/m],
};

describe('kubectl shows things', () => {
  let plane: TestControlPlane;
  const kinds = resources.filter(
    ({ group, version, kind, verbs, virtual, resource }) =>
      !virtual &&
      verbs.includes('create') &&
      group !== 'events.k8s.io' &&
      group !== 'apiregistration.k8s.io' &&
      kind !== 'Namespace' &&
      resource in HEADERS &&
      !(kind === 'HorizontalPodAutoscaler' && version === 'v1'),
  );

  before(async () => {
    plane = await startTestControlPlane();
    const objects = kinds.map((kind) => JSON.stringify(minimalObject(kind, 'shown')));
    await plane.ok('create -f -', objects.join('\n---\n'));
  });

  after(() => plane[Symbol.asyncDispose]());

  const lines = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '');
  const words = (line: string): string => line.replaceAll(/\s+/g, ' ').trim();

  test('get -o wide: the header line of every kind', async () => {
    assert.deepEqual(
      kinds.map(({ resource }) => resource).toSorted(),
      Object.keys(HEADERS).toSorted(),
      'every header belongs to a kind that is served',
    );
    const all = kinds.map(({ resource, group }) => (group === '' ? resource : `${resource}.${group}`));
    const shown = await plane.ok(['get', all.join(','), '-o', 'wide']);
    const found = new Map<string, string>();
    for (const section of shown.split('\n\n')) {
      const [head = '', first = ''] = section.split('\n');
      // Tables of several kinds begin each name with its kind; events have theirs at the end.
      const named = /\b([a-z]+)(?:\.[a-z0-9.]+)?\/\S+/.exec(head.startsWith('NAME') ? first : 'event/x');
      found.set(named?.[1] ?? '', words(head));
    }
    for (const { resource, singular } of kinds) {
      const header = HEADERS[resource]!;
      const wanted = resource === 'events' ? header : `NAME ${header}`;
      assert.equal(found.get(singular), wanted, resource);
    }
  });

  test('describe: no kind fails, and each says what is particular to it', async () => {
    const described = kinds.filter(({ resource }) => resource in DESCRIBED);
    assert.ok(described.length >= 30);
    for (const { resource, group } of described) {
      const kind = kinds.find((one) => one.resource === resource)!;
      const name = stringAt(minimalObject(kind, 'shown'), 'metadata', 'name');
      const { code, stdout, stderr } = await plane.kubectl([
        'describe',
        group === '' ? resource : `${resource}.${group}`,
        name,
      ]);
      // Endpoints are deprecated, and kubectl passes the warning on.
      assert.deepEqual(
        [code, resource === 'endpoints' ? '' : stderr.replaceAll(/^Warning: v1 Endpoints .*\n/gm, '')],
        [0, ''],
        resource,
      );
      assert.match(stdout, new RegExp(`^Name: +${name.replaceAll('.', '\\.')}$`, 'm'));
      for (const field of DESCRIBED[resource]!) assert.match(stdout, field, resource);
    }
  });

  test('explain: every kind, to its leaves', async () => {
    for (const [path, field] of [
      ['pod', /^ {4}containers\t<\[\]Container> -required-$/m],
      ['deployment', /^ {6}spec\t<PodSpec>$/m],
      ['customresourcedefinition', /^ {8}openAPIV3Schema\t<JSONSchemaProps>$/m],
      ['validatingadmissionpolicy', /^ {4}failurePolicy\t<string>$/m],
      ['hpa', /^ {4}maxReplicas\t<integer> -required-$/m],
      ['resourceslice', /^ {4}driver\t<string> -required-$/m],
    ] as const) {
      const text = await plane.ok(`explain ${path} --recursive`);
      assert.match(text, /^VERSION: +v\d$/m);
      assert.match(text, field, path);
    }
    assert.match(await plane.ok('explain shirt'), /^GROUP: +example\.com\nKIND: +Shirt\nVERSION: +v1$/m);
    assert.match(
      await plane.ok('explain hpa.spec --api-version=autoscaling/v1'),
      /targetCPUUtilizationPercentage/,
    );
    const restartPolicy = await plane.ok('explain pod.spec.restartPolicy');
    assert.match(restartPolicy, /^ENUM:\n +Always\n +Never\n +OnFailure$/m);
    assert.match(restartPolicy, /started again/);
    assert.match(
      await plane.ok('get cs'),
      /^controller-manager +Healthy +ok *\netcd-0 +Healthy +ok *\nscheduler +Healthy +ok *$/m,
    );
    assert.match(await plane.refused('explain pod.spec.absent'), /field "absent" does not exist/);
    assert.match(await plane.refused('explain absent'), /the server doesn't have a resource type "absent"/);
  });

  test('api-resources and api-versions', async () => {
    const wide = await plane.ok('api-resources -o wide');
    assert.equal(words(lines(wide)[0]!), 'NAME SHORTNAMES APIVERSION NAMESPACED KIND VERBS CATEGORIES');
    assert.match(
      wide,
      /^deployments +deploy +apps\/v1 +true +Deployment +create,delete,deletecollection,get,list,patch,update,watch +all$/m,
    );
    assert.match(
      wide,
      /^namespaces +ns +v1 +false +Namespace +create,delete,get,list,patch,update,watch +$/m,
    );
    assert.match(wide, /^tokenreviews +authentication\.k8s\.io\/v1 +false +TokenReview +create +$/m);
    assert.deepEqual(lines(await plane.ok('api-resources --categories=all -o name')), [
      ...[
        'pods',
        'replicationcontrollers',
        'services',
        'daemonsets.apps',
        'deployments.apps',
        'replicasets.apps',
      ],
      ...['statefulsets.apps', 'horizontalpodautoscalers.autoscaling', 'cronjobs.batch', 'jobs.batch'],
    ]);
    assert.deepEqual(lines(await plane.ok('api-resources --api-group=batch -o name')), [
      'cronjobs.batch',
      'jobs.batch',
    ]);
    assert.ok(lines(await plane.ok('api-versions')).includes('example.com/v1'));
  });

  test('get: jsonpath, templates, columns, order, pages, selectors, all namespaces, raw', async () => {
    for (const [name, app, rank] of [
      ['p1', 'a', '3'],
      ['p2', 'a', '1'],
      ['p3', 'b', '2'],
    ] as const) {
      await plane.ok(`run ${name} --image=busybox --labels=app=${app},set=listed --annotations=rank=${rank}`);
    }
    const get = (more: string | readonly string[]): Promise<string> =>
      plane.ok([
        ...'get pods -l set=listed'.split(' '),
        ...(typeof more === 'string' ? more.split(' ') : more),
      ]);
    assert.equal(await get(['-o', 'jsonpath={range .items[*]}{.metadata.name}{"\\n"}{end}']), 'p1\np2\np3\n');
    assert.equal(await get(['-o', 'go-template={{range .items}}{{.metadata.name}} {{end}}']), 'p1 p2 p3 ');
    assert.equal(
      words(await get('-o custom-columns=N:.metadata.name,A:.metadata.labels.app --no-headers')),
      'p1 a p2 a p3 b',
    );
    assert.equal(await get('--sort-by=.metadata.annotations.rank -o name'), 'pod/p2\npod/p3\npod/p1\n');
    assert.equal(await get('--chunk-size=1 -o name'), 'pod/p1\npod/p2\npod/p3\n');
    assert.match(await get('--show-labels'), /^p1 .* app=a,set=listed$/m);
    assert.match(await get('-L app'), /^NAME +READY +STATUS +RESTARTS +AGE +APP\np1 .* a$/m);
    assert.match(await get('-A'), /^NAMESPACE +NAME .*\ndefault +p1 /);
    assert.equal(
      await get('--field-selector=metadata.name!=p1,status.phase=Pending,spec.nodeName= -o name'),
      'pod/p2\npod/p3\n',
    );
    assert.equal(
      await plane.ok(['get', 'pods', '-l', 'app in (a,c),set,!absent', '-o', 'name']),
      'pod/p1\npod/p2\n',
    );
    assert.match(
      await plane.refused('get pods --field-selector=spec.absent=1'),
      /Unable to find "\/v1, Resource=pods" that match label selector "", field selector "spec\.absent=1": field label not supported: spec\.absent/,
    );
    assert.match(await plane.ok('get jobs --field-selector=status.successful=0'), /^shown /m);
    assert.match(
      await plane.ok('get pod/p1 svc/kubernetes'),
      /^pod\/p1 [^]*\n\nNAME [^]*^service\/kubernetes /m,
    );
    assert.equal(await plane.ok('get pod absent --ignore-not-found'), '');
    assert.equal(await plane.ok('get pod p1 -o name --subresource=status'), 'pod/p1\n');
    const raw = JSON.parse(await plane.ok('get --raw /api/v1/namespaces/default/pods/p1')) as {
      kind: string;
    };
    assert.equal(raw.kind, 'Pod');
    assert.match(
      await plane.refused('get --raw /absent'),
      /the server could not find the requested resource/,
    );
    await plane.ok('delete pod -l set=listed --now');
  });

  test('events, top, cluster-info, version, config', async () => {
    await plane.ok('run noticed --image=busybox');
    await eventually('its event', async () =>
      /Warning +FailedScheduling +Pod\/noticed /.test(await plane.ok('events --for pod/noticed')),
    );
    assert.match(
      await plane.ok('get events --field-selector involvedObject.name=noticed,reason=FailedScheduling'),
      /^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n\S+ +Warning +FailedScheduling +pod\/noticed /,
    );
    for (const what of ['pods', 'nodes']) {
      assert.match(await plane.refused(`top ${what}`), /Metrics API not available/);
    }
    assert.match(await plane.ok('cluster-info'), /Kubernetes control plane.*is running at.*https:\/\/127/);
    assert.match(
      await plane.ok(['cluster-info', 'dump', `--output-directory=${plane.dir}/dump`]),
      /^Cluster info dumped/,
    );
    assert.match(await plane.ok('version'), /^Server Version: v1\.36\.\d+/m);
    assert.equal(await plane.ok('config current-context'), 'sampan\n');
    await plane.ok('delete pod noticed --now');
  });

  test('who am I, and what may I: whoami, can-i, reconcile', async () => {
    assert.match(await plane.ok('auth whoami'), /^Username +kubernetes-admin$/m);
    assert.match(
      await plane.ok('auth whoami --as=ann --as-group=dev'),
      /^Username +ann\nGroups +\[dev system:authenticated\]$/m,
    );
    const list = await plane.ok('auth can-i --list');
    assert.match(list, /^Resources +Non-Resource URLs +Resource Names +Verbs$/m);
    assert.match(list, /^\*\.\* +\[\] +\[\] +\[\*\]$/m);
    await plane.ok(
      'auth reconcile -f -',
      'apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: looks}\nrules: [{apiGroups: [""], resources: [pods, pods/log], verbs: [get]}, {nonResourceURLs: [/metrics], verbs: [get]}]\n',
    );
    await plane.ok('create clusterrolebinding looks --clusterrole=looks --user=ann');
    for (const [what, answer] of [
      ['get pods', 'yes'],
      ['get pods --subresource=log', 'yes'],
      ['list pods', 'no'],
      ['get /metrics', 'yes'],
      ['get /logs', 'no'],
    ] as const) {
      const { code, stdout } = await plane.kubectl(['auth', 'can-i', ...what.split(' '), '--as=ann']);
      assert.deepEqual([code, stdout], [answer === 'yes' ? 0 : 1, `${answer}\n`], what);
    }
    const may = await plane.ok('auth can-i --list --as=ann');
    assert.match(may, /^pods +\[\] +\[\] +\[get\]$/m);
    assert.match(may, /^ +\[\/metrics\] +\[\] +\[get\]$/m);
    assert.match(
      await plane.refused('get secrets --as=ann'),
      /Error from server \(Forbidden\): secrets is forbidden: User "ann" cannot list resource "secrets" in API group "" in the namespace "default"/,
    );
  });

  test('create token: audience, duration, what it is bound to', async () => {
    const claims = async (more: string): Promise<Record<string, unknown>> => {
      const token = (await plane.ok(`create token default ${more}`.trim())).trim();
      return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<
        string,
        unknown
      >;
    };
    const plain = await claims('--audience=one --audience=two --duration=20m');
    assert.deepEqual(plain['aud'], ['one', 'two']);
    assert.equal(Number(plain['exp']) - Number(plain['iat']), 1200);
    assert.equal(plain['sub'], 'system:serviceaccount:default:default');
    await plane.ok('run bound --image=busybox');
    for (const [kind, name] of [
      ['Pod', 'bound'],
      ['Secret', 'shown'],
      ['Node', 'shown'],
    ] as const) {
      const bound = await claims(`--bound-object-kind=${kind} --bound-object-name=${name}`);
      const about = (bound['kubernetes.io'] as Record<string, { name: string }>)[kind.toLowerCase()];
      assert.equal(about?.name, name);
    }
    assert.match(
      await plane.refused('create token default --bound-object-kind=Node --bound-object-name=absent'),
      /failed to create token: nodes "absent" not found/,
    );
    assert.match(
      await plane.refused('create token default --duration=1m'),
      /TokenRequest\.authentication\.k8s\.io "" is invalid: spec\.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes/,
    );
    assert.match(await plane.refused('create token absent'), /serviceaccounts "absent" not found/);
    const whoami = (token: string): Promise<string> =>
      plane.ok([
        ...['auth', 'whoami', '--kubeconfig=/dev/null', `--server=${plane.url}`],
        ...['--insecure-skip-tls-verify', `--token=${token}`],
      ]);
    const name = /^Username +system:serviceaccount:default:default$/m;
    assert.match(await whoami((await plane.ok('create token default')).trim()), name);
    await plane.ok(
      'create -f -',
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'kept', annotations: { 'kubernetes.io/service-account.name': 'default' } },
        type: 'kubernetes.io/service-account-token',
      }),
    );
    await plane.ok(['wait', '--for=jsonpath={.data.token}', 'secret/kept']);
    const kept = await plane.ok([
      'get',
      'secret',
      'kept',
      '-o',
      'go-template={{.data.token | base64decode}}',
    ]);
    assert.match(await whoami(kept), name);
    await plane.ok('delete pod bound --now');
  });

  test('certificate approve and deny', async () => {
    const kind = kinds.find(({ resource }) => resource === 'certificatesigningrequests')!;
    await plane.ok('create -f -', JSON.stringify(minimalObject(kind, 'denied')));
    assert.match(
      await plane.ok('certificate deny denied'),
      /certificatesigningrequest\.certificates\.k8s\.io\/denied denied/,
    );
    assert.match(await plane.ok('get csr denied'), /^denied .* Denied$/m);
    assert.match(await plane.ok('certificate approve shown'), /shown approved/);
    assert.match(await plane.ok('get csr shown'), /^shown .* Approved$/m);
    assert.match(await plane.refused('certificate deny shown'), /is already Approved/);
  });

  test('proxy: the API, for those who have no credentials', async () => {
    const proxy = spawn(KUBECTL, ['--kubeconfig', plane.kubeconfig, 'proxy', '--port=0']);
    const exited = once(proxy, 'exit');
    let said = '';
    proxy.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    try {
      const port = await eventually('its port', () => /:(\d+)\s*$/m.exec(said)?.[1]);
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/namespaces/default`);
      assert.equal(((await answer.json()) as { kind: string }).kind, 'Namespace');
      assert.equal((await fetch(`http://127.0.0.1:${port}/api/v1/pods/absent`)).status, 404);
    } finally {
      proxy.kill('SIGTERM');
      await exited;
    }
  });
});
