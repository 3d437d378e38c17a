/** Who one is and what one may, with the real kubectl and the daemon: an issuer, a webhook, a node's certificate. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { stringAt } from '../../src/cluster/api/json.ts';
import { buildKubeconfig } from '../../src/cluster/server/kubeconfig.ts';
import { Issuer, signed, signingKey } from '../../src/cluster/server/authentication/testing/issuer.ts';
import { JsonServer } from '../../src/cluster/server/webhooks/testing/json-server.ts';
import { eventually } from '../fixtures/eventually.ts';
import { kubectlFor, type KubectlResult } from '../fixtures/kubectl.ts';
import { runProgram, SAMPAN } from '../fixtures/sampan.ts';

const KEY = signingKey('k');

describe('who may what', () => {
  const stack = new AsyncDisposableStack();
  let dir: string;
  let url: string;
  let issuer: Issuer;
  let webhook: JsonServer;
  let admin: ReturnType<typeof kubectlFor>;

  const file = (name: string, content: string | Uint8Array): string => {
    writeFileSync(join(dir, name), content);
    return join(dir, name);
  };

  const authorizers = (...names: readonly string[]): string =>
    `apiVersion: apiserver.config.k8s.io/v1
kind: AuthorizationConfiguration
authorizers:
- type: Webhook
  name: ours
  webhook:
    timeout: 5s
    subjectAccessReviewVersion: v1
    matchConditionSubjectAccessReviewVersion: v1
    failurePolicy: NoOpinion
    connectionInfo: {type: KubeConfigFile, kubeConfigFile: ${join(dir, 'webhook.kubeconfig')}}
    matchConditions:
    - expression: "has(request.resourceAttributes) && request.user.startsWith('oidc:')"
${names.map((name) => `- {type: ${name}, name: ${name.toLowerCase()}}`).join('\n')}
`;

  before(async () => {
    dir = realpathSync(mkdtempSync(join(tmpdir(), 'sampan-access-')));
    stack.defer(() => rmSync(dir, { recursive: true, force: true }));
    issuer = stack.use(await Issuer.open(KEY));
    webhook = stack.use(
      await JsonServer.open(({ body }) => {
        const resource = stringAt(body, 'spec', 'resourceAttributes', 'resource');
        const denied = { allowed: false, denied: true, reason: 'secrets are ours' };
        const status =
          resource === 'secrets' ? denied : { allowed: resource === 'configmaps', reason: 'ours' };
        return { body: { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', status } };
      }),
    );
    const authentication = {
      apiVersion: 'apiserver.config.k8s.io/v1',
      kind: 'AuthenticationConfiguration',
      anonymous: { enabled: true, conditions: [{ path: '/livez' }] },
      jwt: [
        {
          issuer: { url: issuer.url, certificateAuthority: issuer.server.ca, audiences: ['cluster'] },
          claimMappings: {
            username: { expression: "'oidc:' + claims.sub" },
            groups: { claim: 'groups', prefix: 'oidc:' },
          },
          userValidationRules: [{ expression: "user.username != 'oidc:root'", message: 'no root' }],
        },
      ],
    };
    file('webhook.kubeconfig', webhook.kubeconfig('/authorize'));
    const flags = [
      ...['--authentication-config', file('authentication.yaml', JSON.stringify(authentication))],
      ...['--authorization-config', file('authorization.yaml', authorizers('Node', 'RBAC'))],
      ...['--token-auth-file', file('tokens.csv', 'known-token,carol,1,"dev"\n')],
    ];
    const where = ['--data-dir', join(dir, 'data')];
    const up = await runProgram([SAMPAN, 'up', '--detach', '--no-node', '--port', '0', ...where, ...flags]);
    assert.equal(up.code, 0, up.stderr);
    stack.defer(async () => void (await runProgram([SAMPAN, 'down', ...where])));
    url = /running at (\S+)/.exec(up.stdout)?.[1] ?? '';
    admin = kubectlFor(join(dir, 'data/kubeconfig'));
  });

  after(() => stack.disposeAsync());

  const pki = (name: string): string => readFileSync(join(dir, 'data/pki', name), 'utf8');

  /** kubectl with a token alone. */
  function withToken(token: string, ...args: readonly string[]): Promise<KubectlResult> {
    const config = {
      server: url,
      'certificate-authority-data': Buffer.from(pki('ca.crt')).toString('base64'),
    };
    const text = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: config }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      users: [{ name: 'u', user: {} }],
      'current-context': 'c',
    });
    return kubectlFor(file('token.kubeconfig', text))(['--token', token, ...args]);
  }

  function tokenOf(sub: string): string {
    const exp = Math.floor(Date.now() / 1000) + 600;
    return signed(KEY, { iss: issuer.url, aud: 'cluster', sub, exp, groups: ['dev'] });
  }

  test('a token of the issuer is whom the claims say', async () => {
    const { code, stdout, stderr } = await withToken(tokenOf('alice'), 'auth', 'whoami', '-o', 'json');
    assert.equal(code, 0, stderr);
    const { status } = JSON.parse(stdout) as { status: { userInfo: { username: string; groups: string[] } } };
    assert.equal(status.userInfo.username, 'oidc:alice');
    assert.deepEqual(status.userInfo.groups, ['oidc:dev', 'system:authenticated']);
    for (const token of [tokenOf('root'), `${tokenOf('alice')}x`, 'nonsense']) {
      const refused = await withToken(token, 'get', 'configmaps');
      assert.match(refused.stderr, /You must be logged in to the server/);
    }
    const carol = await withToken(
      'known-token',
      'auth',
      'whoami',
      '-o',
      'jsonpath={.status.userInfo.username}',
    );
    assert.equal(carol.stdout, 'carol');
  });

  test('nobody is anonymous but where the file says', async () => {
    const at = async (path: string): Promise<string> => {
      const curl = ['curl', '-sk', '-o', '/dev/null', '-w', '%{http_code}', `${url}${path}`];
      return (await runProgram(curl)).stdout;
    };
    assert.equal(await at('/livez'), '200');
    assert.equal(await at('/version'), '401');
  });

  test('the webhook decides first, role-based access control after it', async () => {
    const token = tokenOf('alice');
    assert.equal((await withToken(token, 'get', 'configmaps')).code, 0);
    const secrets = await withToken(token, 'get', 'secrets');
    assert.match(
      secrets.stderr,
      /secrets is forbidden: User "oidc:alice" cannot list resource "secrets" in API group "" in the namespace "default": secrets are ours/,
    );
    assert.equal((await withToken(token, 'auth', 'can-i', 'list', 'configmaps')).stdout.trim(), 'yes');
    const denied = await withToken(token, 'auth', 'can-i', 'list', 'secrets');
    assert.match(denied.stdout, /^no - secrets are ours/);
    const list = await withToken(token, 'auth', 'can-i', '--list');
    assert.match(
      list.stderr,
      /the list may be incomplete: webhook authorizer does not support user rule resolution/,
    );
    assert.equal((await withToken(token, 'get', 'pods')).code, 1);
    const role = ['create', 'clusterrolebinding', 'dev', '--clusterrole=view', '--group=oidc:dev'];
    assert.equal((await admin(role)).code, 0);
    assert.equal((await withToken(token, 'get', 'pods')).code, 0);
  });

  test('a node reads what its pods name, and writes itself', async () => {
    const node = nodeConfig('n1');
    const kubelet = kubectlFor(node);
    const manifest = `
apiVersion: v1
kind: Secret
metadata: {name: mounted}
---
apiVersion: v1
kind: Secret
metadata: {name: other}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  nodeName: n1
  automountServiceAccountToken: false
  containers: [{name: main, image: busybox}]
  volumes: [{name: s, secret: {secretName: mounted}}]
`;
    await eventually('the account is there', async () => {
      return (await admin(['get', 'serviceaccount', 'default'])).code === 0;
    });
    const applied = await admin(['apply', '-f', '-'], manifest);
    assert.equal(applied.code, 0, applied.stderr);
    const n1 = '{"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}}';
    assert.equal((await kubelet(['create', '-f', '-'], n1)).code, 0);
    const works: readonly (readonly string[])[] = [
      ['get', 'secret', 'mounted'],
      ['get', 'pods', '-A', '--field-selector', 'spec.nodeName=n1'],
      ['get', 'node', 'n1'],
      ['label', 'node', 'n1', 'node.kubernetes.io/mine=yes'],
      ['get', 'services'],
    ];
    for (const args of works) {
      const { code, stderr } = await kubelet(args);
      assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    }
    const refused: readonly (readonly [args: readonly string[], why: RegExp])[] = [
      [['get', 'secret', 'other'], /no relationship found between node 'n1' and this object/],
      [['get', 'secrets'], /No Object name found/],
      [['get', 'pods', '-A'], /can only list\/watch pods with spec\.nodeName field selector/],
      [['get', 'nodes'], /node 'n1' cannot read all nodes, only its own Node object/],
      [
        ['label', 'node', 'n1', 'node-restriction.kubernetes.io/a=b'],
        /is not allowed to modify labels: node-restriction\.kubernetes\.io\/a/,
      ],
      [['taint', 'node', 'n1', 'a=b:NoSchedule'], /node "n1" is not allowed to modify taints/],
      [['create', 'token', 'default'], /node requested token not bound to a pod/],
      [['run', 'x', '--image=busybox'], /pod does not have "kubernetes\.io\/config\.mirror" annotation/],
    ];
    for (const [args, why] of refused) assert.match((await kubelet(args)).stderr, why, args.join(' '));
  });

  test('another version of the file takes over while the server runs', async () => {
    assert.match((await withToken('known-token', 'get', 'secrets')).stderr, /forbidden/);
    file('authorization.yaml', authorizers('AlwaysAllow'));
    await eventually('everything is allowed', async () => {
      return (await withToken('known-token', 'get', 'secrets')).code === 0;
    });
  });

  /** A kubeconfig with a certificate that the cluster's authority has issued. */
  function nodeConfig(name: string): string {
    const at = (file: string): string => join(dir, `${name}.${file}`);
    const openssl = (...args: readonly string[]): void =>
      void execFileSync('openssl', args, { stdio: 'pipe' });
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at('key')];
    openssl('req', '-new', ...kind, '-subj', `/O=system:nodes/CN=system:node:${name}`, '-out', at('csr'));
    const [ca, key] = [join(dir, 'data/pki/ca.crt'), join(dir, 'data/pki/ca.key')];
    openssl('x509', '-req', '-in', at('csr'), '-CA', ca, '-CAkey', key, '-days', '1', '-out', at('crt'));
    const [clientCert, clientKey] = [readFileSync(at('crt'), 'utf8'), readFileSync(at('key'), 'utf8')];
    return file(
      `${name}.kubeconfig`,
      buildKubeconfig({ server: url, ca: pki('ca.crt'), clientCert, clientKey }),
    );
  }
});
