import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getPath, objectsAt } from '../api/json.ts';
import { TestServer } from './testing/test-server.ts';

const RBAC = '/apis/rbac.authorization.k8s.io/v1';

test('the first objects are as if clients had made them', async () => {
  await using api = await TestServer.open();
  for (const [path, field, expected] of [
    ['/api/v1/namespaces/default', 'spec.finalizers', ['kubernetes']],
    ['/api/v1/namespaces/default/services/kubernetes', 'spec.ipFamilyPolicy', 'SingleStack'],
    ['/api/v1/namespaces/default/services/kubernetes', 'status.loadBalancer', {}],
    ['/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical', 'metadata.generation', 1],
    ['/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations/exempt', 'status', {}],
  ] as const) {
    const { body } = await api.call('GET', path);
    assert.deepEqual(getPath(body, ...field.split('.')), expected, `${path} ${field}`);
  }
  const { body } = await api.call('GET', '/apis/networking.k8s.io/v1/servicecidrs/kubernetes');
  assert.equal(objectsAt(body, 'status', 'conditions')[0]?.['type'], 'Ready');
});

test('controllers that run with accounts of their own may do what they have to', async () => {
  await using api = await TestServer.open();
  for (const name of ['job-controller', 'generic-garbage-collector', 'root-ca-cert-publisher']) {
    const role = `system:controller:${name}`;
    assert.equal((await api.call('GET', `${RBAC}/clusterroles/${role}`)).status, 200);
    const { body } = await api.call('GET', `${RBAC}/clusterrolebindings/${role}`);
    assert.deepEqual(body['subjects'], [{ kind: 'ServiceAccount', name, namespace: 'kube-system' }]);
    assert.equal(getPath(body, 'roleRef', 'name'), role);
  }
  const { body } = await api.call(
    'GET',
    `${RBAC}/namespaces/kube-system/roles/system::leader-locking-kube-scheduler`,
  );
  assert.deepEqual(objectsAt(body, 'rules')[0]?.['resources'], ['leases']);
});
