/** What is refused of pods: a change that spoils a minimal one, and exactly the complaints. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../json.ts';
import { created } from '../testing/complaints.ts';

const POD_CASES: readonly (readonly [JsonObject, ...string[]])[] = [
  [
    {
      affinity: {
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 0, podAffinityTerm: {} }],
        },
      },
    },
    'spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: must be in the range 1-100',
    'spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey: Required value: can not be empty',
    'spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey: Invalid value: "": name part must be non-empty',
    "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
  ],
  [
    {
      affinity: {
        nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } },
      },
    },
    'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term',
  ],
  [
    { topologySpreadConstraints: [{ maxSkew: 0, topologyKey: 'zone', whenUnsatisfiable: 'Maybe' }] },
    'spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
    'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Maybe": supported values: "DoNotSchedule", "ScheduleAnyway"',
  ],
  [
    { securityContext: { runAsUser: -1, seccompProfile: { type: 'Localhost' } } },
    'spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive',
    'spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost',
  ],
  [
    { dnsPolicy: 'None' },
    'spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None',
  ],
  [
    { hostAliases: [{ ip: 'nowhere', hostnames: ['a'] }] },
    'spec.hostAliases[0].ip: Invalid value: "nowhere": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
  ],
  [
    { schedulingGates: [{ name: 'a' }, { name: 'a' }], nodeName: 'n1' },
    'spec.schedulingGates[1]: Duplicate value: "a"',
    'spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared',
  ],
  [{ hostUsers: false, hostPID: true }, 'spec.HostPID: Forbidden: when `hostUsers` is false'],
  [
    { tolerations: [{ key: 'a', operator: 'Lt', value: '1' }] },
    'spec.tolerations[0].operator: Unsupported value: "Lt": supported values: "Equal", "Exists", "Lt", "Gt"',
  ],
  [
    { securityContext: { seccompProfile: { type: 'Unconfined', localhostProfile: 'a' } } },
    'spec.securityContext.seccompProfile.localhostProfile: Invalid value: {"Type":"Unconfined","LocalhostProfile":"a"}: can only be set when seccomp type is Localhost',
  ],
  [
    { securityContext: { fsGroupChangePolicy: '' } },
    'spec.securityContext.fsGroupChangePolicy: Unsupported value: "": supported values: "Always", "OnRootMismatch"',
  ],
  [
    { hostnameOverride: 'Bad', setHostnameAsFQDN: true },
    'spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true',
    "spec.hostnameOverride: Invalid value: \"Bad\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
  ],
  [
    { securityContext: { seLinuxChangePolicy: 'MountOption' } },
    'spec.securityContext.seLinuxChangePolicy: Unsupported value: "MountOption": supported values: "Recursive"',
  ],
  [
    { os: { name: 'windows' }, resources: { limits: { cpu: '1' } } },
    'spec.resources: Forbidden: may not be set for a windows pod',
  ],
  [
    { volumes: [{ name: 'v', emptyDir: {}, cephfs: { monitors: ['a'] }, downwardAPI: {} }] },
    'spec.volumes[0].cephFS: Forbidden: may not specify more than 1 volume type',
    'spec.volumes[0].downwarAPI: Forbidden: may not specify more than 1 volume type',
  ],
  [
    {
      initContainers: [
        { name: 'i', image: 'i', resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] },
      ],
    },
    'spec.initContainers[0].resizePolicy[0].restartPolicy: Invalid value: "RestartContainer": must not be set to \'RestartContainer\' for non-sidecar initContainers',
  ],
  [{ os: { name: 'plan9' } }, 'spec.os: Unsupported value: "plan9": supported values: "linux", "windows"'],
  [
    { os: { name: 'windows' }, hostPID: true, shareProcessNamespace: false },
    'spec.hostPID: Forbidden: cannot be set for a windows pod',
    'spec.shareProcessNamespace: Forbidden: cannot be set for a windows pod',
  ],
  [
    { resourceClaims: [{ name: 'gpu' }] },
    'spec.resourceClaims[0]: Invalid value: {"Name":"gpu","ResourceClaimName":null,"ResourceClaimTemplateName":null}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`',
  ],
  [
    { ephemeralContainers: [{ name: 'web', image: 'debug' }] },
    'spec.ephemeralContainers[0].name: Duplicate value: "web"',
    'spec.ephemeralContainers: Forbidden: cannot be set on create',
  ],
  [
    {
      volumes: [
        {
          name: 'v',
          projected: { sources: [{ serviceAccountToken: { path: '/token', expirationSeconds: 5 } }] },
        },
      ],
    },
    'spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes',
    'spec.volumes[0].projected.path: Invalid value: "/token": must be a relative path',
    'spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set',
  ],
  [
    {
      volumes: [
        { name: 'v', downwardAPI: { items: [{ path: 'a', fieldRef: { fieldPath: 'spec.nodeName' } }] } },
      ],
    },
    'spec.volumes[0].downwardAPI.fieldRef.fieldPath: Unsupported value: "spec.nodeName": supported values: "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"',
  ],
  [
    { volumes: [{ name: 'v', iscsi: { targetPortal: '10.0.0.1' } }] },
    'spec.volumes[0].iscsi.iqn: Required value',
  ],
  [
    { volumes: [{ name: 'v', ephemeral: {} }] },
    'spec.volumes[0].ephemeral.volumeClaimTemplate: Required value',
  ],
];

for (const [spec, ...complaints] of POD_CASES) {
  test(`a pod with ${JSON.stringify(spec)}`, () => assert.deepEqual(created('/Pod', { spec }), complaints));
}

const CONTAINER_CASES: readonly (readonly [JsonObject, ...string[]])[] = [
  [
    { env: [{ name: 'A', valueFrom: { fileKeyRef: { volumeName: 'v', path: '/a', key: 'B' } } }] },
    'spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName: Not found: "v"',
  ],
  [
    { restartPolicy: 'Never', restartPolicyRules: [{ action: 'RestartAllContainers' }, { action: 'Go' }] },
    'spec.containers[0].restartPolicyRules[0].exitCodes: Required value: must be specified',
    'spec.containers[0].restartPolicyRules[1].action: Unsupported value: "Go": supported values: "Restart", "RestartAllContainers"',
    'spec.containers[0].restartPolicyRules[1].exitCodes: Required value: must be specified',
  ],
  [
    { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.colour' } } }] },
    'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.colour": error converting fieldPath: field label not supported: spec.colour',
  ],
  [
    { lifecycle: { preStop: { sleep: { seconds: 60 } } } },
    'spec.containers[0].lifecycle.preStop.sleep: Invalid value: 60: must be non-negative and less than terminationGracePeriodSeconds (30)',
  ],
  [
    { livenessProbe: { grpc: { port: 0 } } },
    'spec.containers[0].livenessProbe.grpc.port: Invalid value: 0: must be between 1 and 65535, inclusive',
  ],
  [
    { ports: [{ containerPort: 80, hostPort: 70000 }] },
    'spec.containers[0].ports[0].hostPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
  ],
  [
    { resources: { claims: [{ name: 'gpu' }] } },
    'spec.containers[0].resources.claims[0]: Not found: "gpu": must be one of the names in pod.spec.resourceClaims which is empty',
  ],
  [
    { securityContext: { allowPrivilegeEscalation: false, privileged: true } },
    'spec.containers[0].securityContext: Invalid value: {"Capabilities":null,"Privileged":true,"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":null,"RunAsGroup":null,"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,"ProcMount":null,"SeccompProfile":null,"AppArmorProfile":null}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
  ],
  [
    { securityContext: { procMount: 'Unmasked' } },
    'spec.containers[0].securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`',
  ],
  [
    { volumeDevices: [{ name: 'v', devicePath: '' }] },
    'spec.containers[0].volumeDevices[0].name: Not found: "v"',
    'spec.containers[0].volumeDevices[0].devicePath: Required value',
  ],
  [
    { resizePolicy: [{ resourceName: 'disk', restartPolicy: 'NotRequired' }] },
    'spec.containers[0].resizePolicy: Unsupported value: "disk": supported values: "cpu", "memory"',
  ],
];

for (const [container, ...complaints] of CONTAINER_CASES) {
  test(`a container with ${JSON.stringify(container)}`, () => {
    const containers = [{ name: 'web', image: 'web:1', ...container }];
    assert.deepEqual(created('/Pod', { spec: { containers } }), complaints);
  });
}
