/** What is refused of the core group's kinds, by the facts of upstream's own tests: object in, complaints out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../json.ts';
import { created, updated } from '../testing/complaints.ts';

const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const pod = (spec: JsonObject): JsonObject => ({ spec });
const container = (members: JsonObject): JsonObject => ({
  spec: { containers: [{ name: 'web', image: 'web:1', ...members }] },
});
const volume = (source: JsonObject): JsonObject => pod({ volumes: [{ name: 'v', ...source }] });
const CLAIM: JsonObject = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
const C = 'spec.containers[0]';
const V = 'spec.volumes[0]';

const RESTART: JsonObject[] = [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }];
const first = (cpu: string): JsonObject => ({ name: 'first', image: 'a', resources: { requests: { cpu } } });
const sidecar = (cpu: string, name = 'sidecar'): JsonObject => ({
  ...first(cpu),
  name,
  restartPolicy: 'Always',
  resizePolicy: RESTART,
});
const WHOLE: JsonObject = {
  spec: {
    resources: { requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '2', memory: '2Gi' } },
    initContainers: [first('100m'), sidecar('100m')],
  },
};

const CREATES: readonly (readonly [string, JsonObject, ...string[]])[] = [
  // Metadata.
  [
    '/ConfigMap',
    { metadata: { generateName: 'AB-', finalizers: ['mine', 'x/'] } },
    "metadata.generateName: Invalid value: \"AB-\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    'metadata.finalizers: Invalid value: "x/": name part must be non-empty',
    "metadata.finalizers: Invalid value: \"x/\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
  ],
  [
    '/ConfigMap',
    {
      metadata: {
        ownerReferences: [
          { apiVersion: 'v1', kind: 'Pod', name: 'a', uid: '1', controller: true },
          { apiVersion: 'v1', kind: 'Pod', name: 'b', uid: '', controller: true },
        ],
      },
    },
    'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
    'metadata.ownerReferences: Invalid value: [{"apiVersion":"v1","kind":"Pod","name":"a","uid":"1","controller":true},{"apiVersion":"v1","kind":"Pod","name":"b","uid":"","controller":true}]: Only one reference can have Controller set to true. Found "true" in references for Pod/a and Pod/b',
  ],
  [
    '/ConfigMap',
    { metadata: { finalizers: ['orphan', 'foregroundDeletion'] } },
    'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
  ],
  ['/Namespace', { metadata: { name: 'a.b' } }, 'metadata.name: Invalid value: "a.b": must not contain dots'],
  // Containers.
  ['/Pod', container({ name: 'A' }), `${C}.name: Invalid value: "A": ${LABEL}`],
  [
    '/Pod',
    container({ image: ' web' }),
    `${C}.image: Invalid value: " web": must not have leading or trailing whitespace`,
  ],
  [
    '/Pod',
    container({ terminationMessagePolicy: 'Sometimes', imagePullPolicy: 'Often' }),
    `${C}.terminationMessagePolicy: Unsupported value: "Sometimes": supported values: "File", "FallbackToLogsOnError"`,
    `${C}.imagePullPolicy: Unsupported value: "Often": supported values: "Always", "IfNotPresent", "Never"`,
  ],
  [
    '/Pod',
    container({ env: [{ name: 'A', value: 'x', valueFrom: { secretKeyRef: { name: 's', key: '..' } } }] }),
    `${C}.env[0].valueFrom.secretKeyRef.key: Invalid value: "..": must not be '..'`,
    `${C}.env[0].valueFrom: Invalid value: "": may not be specified when \`value\` is not empty`,
  ],
  [
    '/Pod',
    container({ envFrom: [{}] }),
    `${C}.envFrom: Invalid value: "": must specify one of: \`configMapRef\` or \`secretRef\``,
  ],
  [
    '/Pod',
    container({ volumeMounts: [{ name: 'none', mountPath: '/m', subPath: '/x', mountPropagation: 'Up' }] }),
    `${C}.volumeMounts[0].name: Not found: "none"`,
    `${C}.volumeMounts.subPath: Invalid value: "/x": must be a relative path`,
    `${C}.volumeMounts.mountPropagation: Unsupported value: "Up": supported values: "Bidirectional", "HostToContainer", "None"`,
  ],
  [
    '/Pod',
    container({
      resources: {
        limits: { 'hugepages-2Mi': '4Mi', memory: '1Gi' },
        requests: { 'hugepages-2Mi': '3Mi', memory: '1Gi' },
      },
    }),
    `${C}.resources.requests: Invalid value: "3Mi": must be equal to hugepages-2Mi limit of 4Mi`,
    `${C}.resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi`,
  ],
  ['/Pod', volume({ image: {} }), `${V}.image.reference: Required value`],
  [
    '/Pod',
    volume({ ephemeral: { volumeClaimTemplate: { metadata: { uid: 'u' }, spec: CLAIM } } }),
    `${V}.ephemeral.volumeClaimTemplate.metadata.uID: Forbidden: cannot be set`,
  ],
  [
    '/Pod',
    pod({
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: 'zone',
          whenUnsatisfiable: 'DoNotSchedule',
          labelSelector: {},
          nodeAffinityPolicy: '',
          nodeTaintsPolicy: '',
        },
      ],
    }),
    'spec.topologySpreadConstraints[0].nodeAffinityPolicy: Unsupported value: "": supported values: "Honor", "Ignore"',
    'spec.topologySpreadConstraints[0].nodeTaintsPolicy: Unsupported value: "": supported values: "Honor", "Ignore"',
  ],
  [
    '/Pod',
    pod({ resources: { limits: { 'x.com/g': '1' } } }),
    'spec.resources.limits[x.com/g]: Unsupported value: "x.com/g": supported values: "cpu", "hugepages-", "memory"',
  ],
  [
    '/Pod',
    container({ resources: { limits: { 'hugepages-2Mi': '3Mi', gpu: '1' }, requests: { 'x.com/g': '1' } } }),
    `${C}.resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi`,
    `${C}.resources.limits[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified`,
    `${C}.resources.limits[gpu]: Invalid value: "gpu": must be a standard resource for containers`,
    `${C}.resources.limits: Required value: Limit must be set for non overcommitable resources`,
    `${C}.resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi`,
    `${C}.resources.requests[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified`,
    `${C}.resources.requests[gpu]: Invalid value: "gpu": must be a standard resource for containers`,
    `${C}.resources: Forbidden: HugePages require cpu or memory`,
  ],
  [
    '/Pod',
    container({ livenessProbe: { httpGet: { path: '/', port: 80, httpHeaders: [{ name: 'a b' }] } } }),
    `${C}.livenessProbe.httpGet.httpHeaders: Invalid value: "a b": a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')`,
  ],
  [
    '/Pod',
    container({ restartPolicyRules: [{ action: 'Restart' }] }),
    `${C}.restartPolicy: Required value: must specify restartPolicy when restart rules are used`,
    `${C}.restartPolicyRules[0].exitCodes: Required value: must be specified`,
  ],
  [
    '/Pod',
    pod({ initContainers: [{ name: 'web', image: 'i', livenessProbe: { exec: { command: ['a'] } } }] }),
    'spec.initContainers[0].name: Duplicate value: "web"',
    'spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
  ],
  [
    '/Pod',
    {
      spec: {
        hostNetwork: true,
        containers: [{ name: 'w', image: 'w', ports: [{ containerPort: 8, hostPort: 9 }] }],
      },
    },
    `${C}.ports[0].hostPort: Invalid value: 9: must match \`containerPort\` when \`hostNetwork\` is true`,
  ],
  // Volumes.
  [
    '/Pod',
    volume({ emptyDir: {}, hostPath: { path: '/..' } }),
    `${V}.hostPath: Forbidden: may not specify more than 1 volume type`,
  ],
  [
    '/Pod',
    volume({ hostPath: { path: '/a/../b', type: 'Door' } }),
    `${V}.hostPath.path: Invalid value: "/a/../b": must not contain '..'`,
    `${V}.hostPath.type: Unsupported value: "Door": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"`,
  ],
  [
    '/Pod',
    volume({ configMap: { name: 'c', defaultMode: 1024, items: [{ key: 'k', path: '..x' }] } }),
    `${V}.configMap.defaultMode: Invalid value: 1024: must be a number between 0 and 0777 (octal), both inclusive`,
    `${V}.configMap.items[0].path: Invalid value: "..x": must not start with '..'`,
  ],
  [
    '/Pod',
    volume({ iscsi: { targetPortal: 'p', iqn: 'xyz', lun: 300 } }),
    `${V}.iscsi.iqn: Invalid value: "xyz": must be valid format starting with iqn, eui, or naa`,
    `${V}.iscsi.lun: Invalid value: 300: must be between 0 and 255, inclusive`,
  ],
  [
    '/Pod',
    volume({ gcePersistentDisk: { pdName: '', partition: 300 } }),
    `${V}.persistentDisk.pdName: Required value`,
    `${V}.persistentDisk.partition: Invalid value: 300: must be between 1 and 255, inclusive`,
  ],
  [
    '/Pod',
    volume({ projected: { sources: [{ clusterTrustBundle: { path: 'p' } }] } }),
    `${V}.projected.sources[0].clusterTrustBundle: Required value: either name or signerName must be specified`,
  ],
  // The rest of a pod.
  [
    '/Pod',
    pod({ tolerations: [{ key: 'a', operator: 'Exists', value: 'b' }, { operator: 'Near' }] }),
    'spec.tolerations[0].operator: Invalid value: "b": value must be empty when `operator` is \'Exists\'',
    'spec.tolerations[1].operator: Invalid value: "Near": operator must be Exists when `key` is empty, which means "match all values and all keys"',
    'spec.tolerations[1].operator: Unsupported value: "Near": supported values: "Equal", "Exists"',
  ],
  [
    '/Pod',
    pod({
      hostNetwork: true,
      securityContext: { sysctls: [{ name: 'net.ipv4.tcp_syncookies', value: '1' }] },
    }),
    'spec.securityContext.sysctls[0].name: Invalid value: "net.ipv4.tcp_syncookies": may not be specified when \'hostNetwork\' is true',
  ],
  [
    '/Pod',
    { metadata: { annotations: { 'controller.kubernetes.io/pod-deletion-cost': '+1' } } },
    'metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "+1": must be a 32bit integer',
  ],
  [
    '/Pod',
    pod({
      resources: { requests: { cpu: '1' }, claims: [{ name: 'x' }] },
      containers: [{ name: 'a', image: 'a', resources: { requests: { cpu: '2' } } }],
    }),
    'spec.resources.claims: Forbidden: claims may not be set for Resources at pod-level',
    'spec.resources.claims[0]: Not found: "x": must be one of the names in pod.spec.resourceClaims which is empty',
    'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 2',
  ],
  [
    'apps/Deployment',
    { spec: { selector: null } },
    'spec.selector: Required value',
    'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
  ],
  // Services.
  [
    '/Service',
    { spec: { type: 'ExternalName', clusterIPs: ['1.2.3.4'] } },
    'spec.clusterIPs: Forbidden: may not be set for ExternalName services',
    'spec.externalName: Required value',
  ],
  [
    '/Service',
    { spec: { ipFamilies: ['IPv4', 'IPv5', 'IPv4'], ipFamilyPolicy: 'Three' } },
    'spec.ipFamilies[1]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"',
    'spec.ipFamilies[2]: Duplicate value: "IPv4"',
    'spec.ipFamilyPolicy: Unsupported value: "Three": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
  ],
  [
    '/Service',
    { spec: { clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1', '10.0.0.2'], externalIPs: ['127.0.0.1'] } },
    'spec.clusterIPs: Invalid value: ["10.0.0.1","10.0.0.2"]: may specify no more than one IP for each IP family',
    'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
  ],
  [
    '/Service',
    {
      spec: {
        loadBalancerClass: 'x/y',
        loadBalancerSourceRanges: ['1.2.3.4'],
        externalTrafficPolicy: 'Local',
      },
    },
    "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
    'spec.LoadBalancerSourceRanges[0]: Invalid value: "1.2.3.4": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
    'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
  ],
  // Nodes, endpoints, quotas, secrets.
  [
    '/Node',
    { spec: { taints: [{ key: 'a', effect: 'Never' }], podCIDRs: ['10.0.0.0/24', '10.0.1.0/24'] } },
    'metadata.taints[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
    'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: may specify no more than one CIDR for each IP family',
  ],
  [
    '/Endpoints',
    { subsets: [{ addresses: [{ ip: '169.254.0.1' }, { ip: '::' }], ports: [{ port: 1, name: 'A' }] }] },
    'subsets[0].addresses[0].ip: Invalid value: "169.254.0.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
    'subsets[0].addresses[1].ip: Invalid value: "::": may not be unspecified (::)',
    `subsets[0].ports[0].name: Invalid value: "A": ${LABEL}`,
  ],
  [
    '/ResourceQuota',
    { spec: { hard: { pods: '1', cpu: '1' }, scopes: ['BestEffort', 'NotBestEffort', 'Odd'] } },
    'spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Odd"]: unsupported scope applied to resource',
    'spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Odd"]: unsupported scope',
    'spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Odd"]: conflicting scopes',
  ],
  [
    '/LimitRange',
    {
      spec: {
        limits: [{ type: 'Pod', min: { cpu: '1' }, max: { cpu: '2' }, maxLimitRequestRatio: { cpu: '3' } }],
      },
    },
    'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000',
  ],
  [
    '/Secret',
    { type: 'kubernetes.io/dockercfg', data: { '.dockercfg': 'W10=' } },
    'data[.dockercfg]: Invalid value: "<secret contents redacted>": json: cannot unmarshal array into Go value of type map[string]interface {}',
  ],
];

for (const [kind, patch, ...expected] of CREATES) {
  test(`a ${kind} with ${JSON.stringify(patch)}`, () => {
    assert.deepEqual(created(kind, patch), expected);
  });
}

const GATED: JsonObject = { spec: { schedulingGates: [{ name: 'x.y/z' }], nodeSelector: { a: 'b' } } };
const RUN_ONCE: JsonObject = {
  spec: { restartPolicy: 'Never' },
  status: {
    qosClass: 'BestEffort',
    containerStatuses: [{ name: 'web', state: { terminated: { exitCode: 0 } } }],
  },
};
const DUAL: JsonObject = {
  spec: {
    clusterIP: '10.0.0.1',
    clusterIPs: ['10.0.0.1', 'fd00::1'],
    ipFamilies: ['IPv4', 'IPv6'],
    ipFamilyPolicy: 'RequireDualStack',
  },
};

const UPDATES: readonly (readonly [string, JsonObject, JsonObject, string, ...string[]])[] = [
  ['/Pod', GATED, { spec: { nodeSelector: { c: 'd' } } }, 'main'],
  [
    '/Pod',
    GATED,
    { spec: { nodeSelector: { a: 'c' } } },
    'main',
    'spec.nodeSelector: Invalid value: {"a":"c"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)',
  ],
  [
    '/Pod',
    { spec: { activeDeadlineSeconds: 5 } },
    { spec: { activeDeadlineSeconds: 6 } },
    'main',
    'spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value',
  ],
  [
    '/Pod',
    {},
    { metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } } },
    'main',
    'metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "x": must set spec.nodeName if mirror pod annotation is set',
    'metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not add mirror pod annotation',
  ],
  [
    '/Pod',
    RUN_ONCE,
    { status: { qosClass: 'Burstable', containerStatuses: [{ name: 'web', state: { running: {} } }] } },
    'status',
    'status.qosClass: Invalid value: "Burstable": field is immutable',
    'status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state',
  ],
  [
    '/Pod',
    {},
    { spec: { containers: [{ name: 'web', image: 'web:1', resources: { limits: { memory: '1Gi' } } }] } },
    'resize',
    'spec: Invalid value: "": Pod QOS Class may not change as a result of resizing',
  ],
  // Of the pod as a whole, and of what runs first.
  ['/Pod', WHOLE, { spec: { resources: { requests: { cpu: '2' }, limits: { cpu: '3' } } } }, 'resize'],
  [
    '/Pod',
    WHOLE,
    { spec: { resources: null } },
    'resize',
    'spec.resources: Forbidden: pod-level resources cannot be removed',
  ],
  [
    '/Pod',
    WHOLE,
    { spec: { resources: { limits: { memory: null, 'hugepages-2Mi': '2Mi' } } } },
    'resize',
    'spec.resources.limits: Forbidden: pod-level resource limits cannot be removed',
    'spec: Forbidden: only cpu and memory resources are mutable at pod-level',
  ],
  [
    '/Pod',
    WHOLE,
    { spec: { initContainers: [first('200m'), sidecar('200m', 'other')] } },
    'resize',
    'spec.initContainers[1].name: Forbidden: initContainers may not be renamed or reordered on resize',
  ],
  ['/Pod', WHOLE, { spec: { initContainers: [first('200m'), sidecar('200m')] } }, 'resize'],
  [
    '/Pod',
    WHOLE,
    { spec: { initContainers: [first('100m'), { ...sidecar('200m'), command: ['sh'] }] } },
    'resize',
    'spec.initContainers[1]: Forbidden: only cpu and memory resources for init or sidecar containers are mutable',
  ],
  [
    '/Pod',
    WHOLE,
    { spec: { initContainers: [first('100m')] } },
    'resize',
    'spec.initContainers: Forbidden: initContainers may not be added or removed on resize',
  ],
  [
    '/Pod',
    {},
    { spec: { ephemeralContainers: [{ name: 'debug', image: 'a', lifecycle: {}, resources: {} }] } },
    'ephemeralcontainers',
    'spec.ephemeralContainers[0].lifecycle: Forbidden: cannot be set for an Ephemeral Container',
  ],
  [
    '/Service',
    DUAL,
    { spec: { clusterIPs: ['10.0.0.1'], ipFamilies: ['IPv4'] } },
    'main',
    'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be set to \'SingleStack\' when releasing the secondary clusterIP',
    'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be set to \'SingleStack\' when releasing the secondary ipFamily',
  ],
  [
    '/Namespace',
    {},
    { status: { phase: 'Terminating' } },
    'status',
    'status.Phase: Invalid value: "Terminating": may only be \'Active\' if `deletionTimestamp` is empty',
  ],
  [
    '/Node',
    { spec: { podCIDRs: ['10.0.0.0/24'] } },
    { spec: { podCIDR: '10.0.1.0/24', podCIDRs: ['10.0.1.0/24'] } },
    'main',
    'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
  ],
  [
    'apps/Deployment',
    {},
    { status: { replicas: 1, readyReplicas: 2 } },
    'status',
    'status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas',
  ],
];

for (const [kind, before, patch, endpoint, ...expected] of UPDATES) {
  test(`a ${kind} with ${JSON.stringify(before)} changed at ${endpoint} by ${JSON.stringify(patch)}`, () => {
    assert.deepEqual(updated(kind, patch, before, endpoint), expected);
  });
}
