/**
 * `make up`: image, cluster, example, answer. One line a step with its time; a second call finds everything there.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import { createClient } from '../src/cluster/client/client.ts';
import type { ApiObject, Client, ResourceType } from '../src/cluster/client/contract.ts';
import { httpTransport } from '../src/cluster/client/http-transport.ts';
import { deployments, services } from '../src/cluster/client/kinds.ts';
import { isPlatformError } from '../src/base/errors.ts';
import { adminCredentials } from '../src/cli/credentials.ts';

const root = join(import.meta.dirname, '..');
const sampan = join(root, 'bin/sampan');
const example = join(root, 'examples/hello');
const url = 'http://127.0.0.1:30080';
const ANSWER_DEADLINE_MS = 60_000;

interface RunningStatus {
  readonly running: boolean;
  readonly daemon?: { readonly url: string; readonly kubeconfig: string };
}

const before = status();
if (before.running && (await answers())) {
  process.stdout.write(`already up: ${url} answers\n`);
  sayWhatNext(before);
} else {
  await step('pack the example image', () => {
    sampanRun(
      'image',
      'from-host',
      'hello',
      process.execPath,
      'sh',
      '--add',
      `${example}/server.ts:/app/server.ts`,
      '--cmd',
      'node /app/server.ts',
    );
  });
  await step('start the cluster', () => sampanRun('up', '--detach'));
  const running = status();
  await step('apply examples/hello', () => apply(running, join(example, 'hello.yaml')));
  await step(`wait for ${url}`, waitForAnswer);
  sayWhatNext(running);
}

async function step(what: string, work: () => void | Promise<void>): Promise<void> {
  const start = performance.now();
  if (process.stdout.isTTY) process.stdout.write(`… ${what}`);
  try {
    await work();
  } catch (error) {
    process.stdout.write(`${process.stdout.isTTY ? '\r' : ''}✗ ${what}\n`);
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(2);
  process.stdout.write(`${process.stdout.isTTY ? '\r' : ''}✓ ${what.padEnd(40)} ${seconds} s\n`);
}

function sampanRun(...args: string[]): void {
  const result = spawnSync(sampan, args, { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(result.stderr.trim());
}

function status(): RunningStatus {
  const { stdout, stderr, status: code } = spawnSync(sampan, ['status', '-o', 'json'], { encoding: 'utf8' });
  if (code !== 0 && code !== 3) throw new Error(stderr.trim());
  return JSON.parse(stdout) as RunningStatus;
}

async function apply({ daemon }: RunningStatus, file: string): Promise<void> {
  if (daemon === undefined) throw new Error('the cluster is not running');
  const client = createClient({
    transport: httpTransport({ server: daemon.url, ...adminCredentials('/var/lib/sampan') }),
    userAgent: 'make-up',
  });
  const types: Record<string, ResourceType> = { Deployment: deployments, Service: services };
  for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
    const object = document.toJS() as ApiObject & { metadata: { name: string } };
    const type = types[object.kind ?? ''];
    if (type === undefined) throw new Error(`${file}: no way to apply a ${object.kind}`);
    await createOrPatch(client, type, object);
  }
}

async function createOrPatch(
  client: Client,
  type: ResourceType,
  object: ApiObject & { metadata: { name: string } },
): Promise<void> {
  const namespaced = { ...object, metadata: { namespace: 'default', ...object.metadata } };
  try {
    await client.create(type, namespaced);
  } catch (error) {
    if (!isPlatformError(error, 'already-exists')) throw error;
    await client.patch(
      type,
      { name: object.metadata.name, namespace: 'default' },
      { type: 'strategic', body: object },
    );
  }
}

function answers(): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request(url, { timeout: 1000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on('error', () => resolve(false));
    call.on('timeout', () => call.destroy());
    call.end();
  });
}

async function waitForAnswer(): Promise<void> {
  const end = performance.now() + ANSWER_DEADLINE_MS;
  while (!(await answers())) {
    if (performance.now() > end) {
      throw new Error(
        `${url} does not answer after ${ANSWER_DEADLINE_MS / 1000} s; see \`kubectl describe pods\` and /var/lib/sampan/sampan.log`,
      );
    }
    await delay(20);
  }
}

function sayWhatNext({ daemon }: RunningStatus): void {
  const kubectl = hasKubectl() ? '' : '\n(kubectl is not on PATH: Debian has it as kubernetes-client)\n';
  process.stdout.write(`
The example answers at  ${url}
The kubeconfig is at    ${daemon?.kubeconfig}
${kubectl}
Try:
  curl ${url}
  kubectl --kubeconfig ${daemon?.kubeconfig} get nodes,pods -o wide
  kubectl --kubeconfig ${daemon?.kubeconfig} scale deployment hello --replicas 4

\`make down\` stops it.
`);
}

function hasKubectl(): boolean {
  try {
    execFileSync('kubectl', ['version', '--client'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
