/** What kubectl does through the API server on a node: exec, logs, cp, attach, port-forward, proxies, debug. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../fixtures/eventually.ts';
import { KUBECTL } from '../fixtures/kubectl.ts';
import { TestCluster } from '../fixtures/sampan.ts';

/** A page to fetch, a line to log, and a name to be asked for. */
const MANIFEST = `
apiVersion: v1
kind: Pod
metadata: { name: box, labels: { app: box } }
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: main
      image: box
      env: [{ name: GREETING, value: hello }]
      ports: [{ containerPort: 8080 }]
      command: [busybox, sh, -c]
      args:
        - busybox mkdir -p /bin /www; busybox --install -s /bin; echo '<a href="/x">page</a>' > /www/index.html; echo plain > /www/file.txt;
          echo ready; exec httpd -f -p 8080 -h /www
      readinessProbe: { exec: { command: [test, -f, /www/file.txt] }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: box }
spec:
  selector: { app: box }
  ports: [{ name: web, port: 80, targetPort: 8080 }]
`;

describe('kubectl and a node', () => {
  let cluster: TestCluster;
  const folder = mkdtempSync(join(tmpdir(), 'sampan-streams-'));

  before(async () => {
    cluster = new TestCluster();
    const packed = await cluster.sampan('image', 'from-host', 'box', 'busybox');
    assert.equal(packed.code, 0, packed.stderr);
    await cluster.up();
    await cluster.ok(['apply', '-f', '-'], MANIFEST);
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/box', '--timeout=60s']);
  });

  after(async () => {
    await cluster[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  /** kubectl's two ways to carry streams; the second is what older clients have. */
  const WAYS: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ['WebSocket', {}],
    ['SPDY', { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' }],
  ];

  for (const [way, env] of WAYS) {
    test(`exec over ${way}: output, errors, environment, exit code, input to its end`, async () => {
      const script = 'echo $GREETING; echo bad >&2; exit 7';
      const { code, stdout, stderr } = await cluster.kubectl(
        ['exec', 'box', '--', 'sh', '-c', script],
        '',
        env,
      );
      assert.deepEqual([code, stdout], [7, 'hello\n']);
      assert.match(stderr, /^bad\ncommand terminated with exit code 7\n$/);
      const input = 'x'.repeat(3_000_000);
      const counted = await cluster.kubectl(['exec', '-i', 'box', '--', 'wc', '-c'], input, env);
      assert.deepEqual([counted.code, counted.stdout.trim()], [0, String(input.length)]);
      const much = await cluster.kubectl(['exec', 'box', '--', 'sh', '-c', 'yes | head -c 3000000'], '', env);
      assert.deepEqual([much.code, much.stdout.length], [0, 3_000_000]);
    });

    test(`cp over ${way} brings a file there and back`, async () => {
      const [there, back] = [join(folder, `there-${way}`), join(folder, `back-${way}`)];
      writeFileSync(there, Buffer.alloc(1 << 20, way));
      const to = await cluster.kubectl(['cp', there, `box:/tmp-${way}`], '', env);
      assert.equal(to.code, 0, to.stderr);
      const from = await cluster.kubectl(['cp', `box:/tmp-${way}`, back], '', env);
      assert.equal(from.code, 0, from.stderr);
      assert.deepEqual(readFileSync(back), readFileSync(there));
    });
  }

  for (const [way, env] of WAYS) {
    test(`port-forward over ${way}: several connections, and a port where nobody listens`, async () => {
      await using forward = await portForward(env);
      const fetched = await Promise.all(
        Array.from({ length: 5 }, () => cluster.curl(`${forward.urls[0]}/file.txt`)),
      );
      assert.deepEqual(
        fetched.map(({ stdout }) => stdout),
        Array.from({ length: 5 }, () => 'plain\n'),
      );
      assert.notEqual((await cluster.curl(`${forward.urls[1]}/`)).code, 0);
      await eventually('kubectl has heard of it', () =>
        /error forwarding port 81 to pod box, uid \S+: .*connection refused/.test(forward.said()),
      );
    });
  }

  async function portForward(env: Readonly<Record<string, string>>) {
    const args = [
      '--kubeconfig',
      join(cluster.dataDir, 'kubeconfig'),
      'port-forward',
      'pod/box',
      ':8080',
      ':81',
    ];
    const child = spawn('nsenter', [`--net=/run/netns/${cluster.netns.name}`, '--', KUBECTL, ...args], {
      env: { PATH: process.env['PATH'], HOME: '/nonexistent', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const output of [child.stdout, child.stderr])
      output.on('data', (text: Buffer) => (said += text.toString()));
    const ended = once(child, 'close');
    const urls = await eventually('kubectl listens', () => {
      const ports = [...said.matchAll(/Forwarding from 127\.0\.0\.1:(\d+)/g)].map(([, port]) => port);
      assert.equal(ports.length, 2, said);
      return ports.map((port) => `http://127.0.0.1:${port}`);
    });
    return {
      urls,
      said: () => said,
      async [Symbol.asyncDispose]() {
        child.kill('SIGKILL');
        await ended;
      },
    };
  }

  for (const [way, env] of WAYS) {
    test(`a pod that reads what kubectl is given, over ${way}`, async () => {
      const name = `reader-${way.toLowerCase()}`;
      const args = ['run', name, '-i', '--rm', '--restart=Never', '--image=box', '--command', '--'];
      const script = 'while read line; do echo got $line; done; echo end';
      const ran = await cluster.kubectl([...args, 'busybox', 'sh', '-c', script], 'one\ntwo\n', env);
      assert.equal(ran.code, 0, ran.stderr);
      assert.match(ran.stdout, /got one\ngot two\nend\n/);
    });
  }

  for (const [way, env] of WAYS) {
    test(`exec -it from a real terminal over ${way}: its size, keys, and the exit code`, async () => {
      // script(1) gives kubectl a terminal; its own, in the first line, becomes as large as no default is.
      const words = ['nsenter', `--net=/run/netns/${cluster.netns.name}`, KUBECTL];
      const line = [
        ...words,
        '--kubeconfig',
        join(cluster.dataDir, 'kubeconfig'),
        'exec',
        '-it',
        'box',
        '--',
        'sh',
      ];
      const child = spawn(
        'script',
        ['--quiet', '--return', '--command', `stty rows 33 cols 101; exec ${line.join(' ')}`, '/dev/null'],
        {
          env: { PATH: process.env['PATH'], HOME: '/nonexistent', SHELL: '/bin/sh', TERM: 'xterm', ...env },
          stdio: ['pipe', 'pipe', 'pipe'],
        },
      );
      using stack = new DisposableStack();
      stack.defer(() => child.kill('SIGKILL'));
      let said = '';
      child.stdout.on('data', (text: Buffer) => (said += text.toString()));
      const ended = once(child, 'close');
      // After it the shell asks for the place of the cursor, in an escape sequence.
      await eventually('a prompt', () => said.includes(' # '));
      // The sleep says that it is the one in the foreground: before that, the key would find the shell.
      child.stdin.write(`tty; stty size; sh -c 'echo be"gun"; exec sleep 600'\r`);
      await eventually('a terminal of that size', () => /\/dev\/pts\/\d+\r\n33 101\r\nbegun/.test(said));
      // Ctrl-C is the terminal's in the container: it ends the sleep, not kubectl.
      child.stdin.write('\x03');
      await eventually('a prompt again', () => /begun\r\n\^C[^]* # /.test(said));
      child.stdin.write('exit 7\r');
      assert.deepEqual(await ended, [7, null], said);
    });
  }

  test('debug puts a container into a running pod, which sees the processes of the one that it looks at', async () => {
    const args = ['debug', 'box', '--image=box', '--target=main', '-i', '-c', 'look', '--', 'busybox', 'sh'];
    const ran = await cluster.kubectl(args, 'busybox ps -o args; echo seen; exit\n');
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /httpd -f -p 8080[^]*seen/);
    const status = await eventually('its status', async () => {
      const path = '{.status.ephemeralContainerStatuses[?(@.name=="look")].state.terminated.reason}';
      return (await cluster.ok(['get', 'pod', 'box', '-o', `jsonpath=${path}`])) || undefined;
    });
    assert.equal(status, 'Completed');
    const gone = [{ op: 'remove', path: '/spec/ephemeralContainers' }];
    const patch = [
      'patch',
      'pod',
      'box',
      '--subresource=ephemeralcontainers',
      '--type=json',
      '-p',
      JSON.stringify(gone),
    ];
    assert.match(
      (await cluster.kubectl(patch)).stderr,
      /existing ephemeral containers "look" may not be removed/,
    );
    assert.equal(await cluster.ok(['get', 'pod', 'box', '-o', 'jsonpath={.status.phase}']), 'Running');
  });

  test('hooks run in the container: after its start and before its end', async () => {
    const hooked = `
apiVersion: v1
kind: Pod
metadata: { name: hooked }
spec:
  terminationGracePeriodSeconds: 5
  volumes: [{ name: shared, hostPath: { path: ${folder} } }]
  containers:
    - name: main
      image: box
      command: [busybox, sleep, "600"]
      volumeMounts: [{ name: shared, mountPath: /shared }]
      lifecycle:
        postStart: { exec: { command: [busybox, sh, -c, "echo started > /shared/started"] } }
        preStop: { exec: { command: [busybox, sh, -c, "echo stopping > /shared/stopping"] } }
`;
    await cluster.ok(['apply', '-f', '-'], hooked);
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/hooked', '--timeout=30s']);
    assert.equal(readFileSync(join(folder, 'started'), 'utf8'), 'started\n');
    await cluster.ok(['delete', 'pod', 'hooked', '--timeout=30s']);
    assert.equal(readFileSync(join(folder, 'stopping'), 'utf8'), 'stopping\n');
  });

  test('what cannot be executed says why', async () => {
    const none = await cluster.kubectl(['exec', 'box', '--', 'nowhere']);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /exec: "nowhere": executable file not found in \$PATH/);
    const wrong = await cluster.kubectl(['exec', 'box', '-c', 'nope', '--', 'true']);
    assert.match(wrong.stderr, /container nope is not valid for pod box|container not found/);
    const absent = await cluster.kubectl(['exec', 'absent', '--', 'true']);
    assert.match(absent.stderr, /pods "absent" not found/);
  });

  test('logs come from the node', async () => {
    assert.equal(await cluster.ok(['logs', 'box']), 'ready\n');
    const previous = await cluster.kubectl(['logs', 'box', '--previous']);
    assert.match(previous.stderr, /previous terminated container "main" in pod "box" not found/);
  });

  test('proxies reach pods, services and the node', async () => {
    const raw = (path: string): Promise<string> => cluster.ok(['get', '--raw', path]);
    assert.equal(await raw('/api/v1/namespaces/default/pods/box:8080/proxy/file.txt'), 'plain\n');
    assert.equal(await raw('/api/v1/namespaces/default/pods/http:box:8080/proxy/file.txt'), 'plain\n');
    assert.equal(await raw('/api/v1/namespaces/default/services/box:web/proxy/file.txt'), 'plain\n');
    assert.equal(await raw('/api/v1/namespaces/default/services/box:80/proxy/file.txt'), 'plain\n');
    assert.match(
      await raw('/api/v1/namespaces/default/pods/box/proxy/'),
      /<a href="\/api\/v1\/namespaces\/default\/pods\/box\/proxy\/x">/,
    );
    const [node] = (await cluster.ok(['get', 'nodes', '-o', 'name'])).trim().split('/').slice(1);
    assert.equal(await raw(`/api/v1/nodes/${node}/proxy/healthz`), 'ok');
    const pods = JSON.parse(await raw(`/api/v1/nodes/${node}/proxy/pods`)) as {
      items: { metadata: object }[];
    };
    assert.deepEqual(
      pods.items.map(({ metadata }) => (metadata as { name: string }).name),
      ['box'],
    );
    const closed = await cluster.kubectl(['get', '--raw', '/api/v1/namespaces/default/pods/box:81/proxy/']);
    assert.match(closed.stderr, /error trying to reach service: .*ECONNREFUSED|connection refused/);
    const unknown = await cluster.kubectl([
      'get',
      '--raw',
      '/api/v1/namespaces/default/services/box:9/proxy/',
    ]);
    assert.match(unknown.stderr, /no service port 9 found for service "box"/);
  });
});
