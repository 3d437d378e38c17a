import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../api/json.ts';
import { deployment, pod, TestServer } from '../../testing/test-server.ts';
import { levelText, policyOf, violations, violationText } from './policy.ts';

const MERGE = { 'content-type': 'application/merge-patch+json' };

const safe: JsonObject = {
  allowPrivilegeEscalation: false,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

function spec(container: JsonObject = {}, more: JsonObject = {}): JsonObject {
  return { containers: [{ name: 'main', ...container }], ...more };
}

function text(level: 'baseline' | 'restricted', of: JsonObject, minor = Infinity): string {
  return violationText(violations({ level, minor }, { spec: of, annotations: {} }));
}

test('every check, in the words of upstream', () => {
  const context = (securityContext: JsonObject): JsonObject => spec({ securityContext });
  const cases: readonly [JsonObject, string][] = [
    [
      context({ capabilities: { add: ['NET_RAW', 'CHOWN'] } }),
      'non-default capabilities (container "main" must not include "NET_RAW" in securityContext.capabilities.add)',
    ],
    [spec({}, { hostNetwork: true, hostPID: true }), 'host namespaces (hostNetwork=true, hostPID=true)'],
    [spec({}, { volumes: [{ name: 'v', hostPath: { path: '/' } }] }), 'hostPath volumes (volume "v")'],
    [spec({ ports: [{ hostPort: 80 }] }), 'hostPort (container "main" uses hostPort 80)'],
    [
      spec({ livenessProbe: { httpGet: { host: 'a' } } }),
      'probe or lifecycle host (container "main" uses probe or lifecycle host "a")',
    ],
    [
      context({ privileged: true }),
      'privileged (container "main" must not set securityContext.privileged=true)',
    ],
    [
      context({ procMount: 'Unmasked' }),
      'procMount (container "main" must not set securityContext.procMount to "Unmasked")',
    ],
    [
      spec({}, { securityContext: { seLinuxOptions: { type: 'x', user: 'u' } } }),
      'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "x"; user may not be set)',
    ],
    [
      context({ seccompProfile: { type: 'Unconfined' } }),
      'seccompProfile (container "main" must not set securityContext.seccompProfile.type to "Unconfined")',
    ],
    [
      spec({}, { securityContext: { sysctls: [{ name: 'kernel.msgmax' }] } }),
      'forbidden sysctls (kernel.msgmax)',
    ],
    [
      spec({}, { securityContext: { windowsOptions: { hostProcess: true } } }),
      'hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)',
    ],
    [
      context({ appArmorProfile: { type: 'Unconfined' } }),
      'forbidden AppArmor profile (container "main" must not set AppArmor profile type to "Unconfined")',
    ],
  ];
  for (const [of, expected] of cases) assert.equal(text('baseline', of), expected);
  assert.equal(
    text('restricted', spec()),
    'allowPrivilegeEscalation != false (container "main" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "main" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "main" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "main" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
  );
  assert.equal(text('restricted', context(safe)), '');
  assert.equal(
    text('restricted', context({ ...safe, runAsUser: 0 })),
    'runAsUser=0 (container "main" must not set runAsUser=0)',
  );
  assert.equal(
    text('restricted', { ...context(safe), volumes: [{ name: 'v', nfs: {} }] }),
    'restricted volume types (volume "v" uses restricted volume type "nfs")',
  );
});

test('a version has the checks of its time', () => {
  const probes = spec({ livenessProbe: { httpGet: { host: 'a' } } });
  assert.equal(text('baseline', probes, 33), '');
  const sysctl = spec({}, { securityContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem' }] } });
  assert.equal(text('baseline', sysctl, 32), '');
  assert.equal(text('baseline', sysctl, 31), 'forbidden sysctls (net.ipv4.tcp_rmem)');
  const root = { ...spec({ securityContext: { ...safe, runAsUser: 0 } }), hostUsers: false };
  assert.equal(text('restricted', root), '');
  const unmasked = { ...spec({ securityContext: { ...safe, procMount: 'Unmasked' } }), hostUsers: false };
  assert.equal(text('baseline', unmasked), '');
  assert.match(text('restricted', unmasked), /^procMount \(container "main" must not set /);
});

test('labels name levels and versions; what is enforced is warned about', () => {
  const { policy } = policyOf({
    'pod-security.kubernetes.io/enforce': 'baseline',
    'pod-security.kubernetes.io/enforce-version': 'v1.30',
  });
  assert.deepEqual(
    [levelText(policy.enforce), levelText(policy.warn), levelText(policy.audit)],
    ['baseline:v1.30', 'baseline:v1.30', 'privileged:latest'],
  );
});

test('namespaces enforce and warn', async () => {
  await using api = await TestServer.open();
  const PODS = '/api/v1/namespaces/default/pods';
  await api.create(PODS, pod('early', { hostNetwork: true }));
  const labels = {
    'pod-security.kubernetes.io/enforce': 'baseline',
    'pod-security.kubernetes.io/warn': 'restricted',
  };
  const labelled = await api.call('PATCH', '/api/v1/namespaces/default', { metadata: { labels } }, MERGE);
  assert.match(
    labelled.headers['warning'] ?? '',
    /existing pods in namespace \\"default\\" violate the new PodSecurity enforce level \\"baseline:latest\\"", 299 - "early: host namespaces/,
  );
  const refused = await api.call('POST', PODS, pod('a', { hostPID: true }));
  assert.deepEqual(
    [refused.status, refused.body.message],
    [403, 'pods "a" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostPID=true)'],
  );
  const warned = await api.call('POST', PODS, pod('b'));
  assert.equal(warned.status, 201);
  assert.match(
    warned.headers['warning'] ?? '',
    /would violate PodSecurity \\"restricted:latest\\": allowPrivilege/,
  );
  const made = await api.call('POST', '/apis/apps/v1/namespaces/default/deployments', deployment('d'));
  assert.equal(made.status, 201);
  assert.match(made.headers['warning'] ?? '', /would violate PodSecurity/);
  const bad = { 'pod-security.kubernetes.io/enforce': 'strict' };
  const wrong = await api.call('PATCH', '/api/v1/namespaces/default', { metadata: { labels: bad } }, MERGE);
  assert.match(wrong.body.message ?? '', /must be one of privileged, baseline, restricted/);
});
