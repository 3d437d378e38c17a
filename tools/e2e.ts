/**
 * Runs Kubernetes' own end-to-end suite against a Sampan of its own and prints a table:
 *   node tools/e2e.ts FOLDER [--focus PATTERN] [--skip PATTERN] [--verbose]
 * FOLDER has Kubernetes' static programs `e2e.test`, `agnhost` and `sample-apiserver`, and the files that agnhost's image
 * has besides (`localhost.crt`, `localhost.key`). Images cannot be pulled: under the
 * names that the suite asks for stand these programs, and busybox and etcd of this machine. Needs root.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const ROOT = join(import.meta.dirname, '..');
const SAMPAN = join(ROOT, 'bin/sampan');
const KUBECTL = join(ROOT, '.cache/kubectl/kubectl');
const API_MACHINERY = String.raw`\[sig-api-machinery\]`;

/** By the last part of an image's name: what is packed under it. */
const STANDINS: Readonly<Record<string, (folder: string) => readonly string[]>> = {
  agnhost: packed('agnhost', 'pause'),
  pause: packed('agnhost', 'pause'),
  httpd: packed('agnhost', 'netexec --http-port=80'),
  nginx: packed('agnhost', 'netexec --http-port=80'),
  'sample-apiserver': packed('sample-apiserver', ''),
  etcd: () => ['etcd', 'etcdctl', '--add', '/usr/bin/etcd:/usr/local/bin/etcd'],
  busybox: () => ['--cmd', 'sh'],
};
/** What agnhost serves, and proves itself with. */
const FILES = ['localhost.crt', 'localhost.key'];
const SHELL = ['sh', 'cat', 'echo', 'env', 'ls', 'sleep'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    focus: { type: 'string', default: API_MACHINERY },
    skip: { type: 'string', default: String.raw`\[Disruptive\]|\[Flaky\]` },
    verbose: { type: 'boolean', default: false },
  },
});
const folder = resolve(positionals[0] ?? '');
if (!existsSync(join(folder, 'e2e.test'))) {
  process.stderr.write('usage: node tools/e2e.ts FOLDER [--focus PATTERN] [--skip PATTERN] [--verbose]\n');
  process.exit(2);
}

const work = mkdtempSync(join(tmpdir(), 'sampan-e2e-'));
const data = join(work, 'data');
mkdirSync(data);
try {
  sampan('up', '--detach', '--port', '0');
  packImages();
  await runSuite();
  process.exitCode = print() ? 0 : 1;
} finally {
  sampan('down');
  rmSync(work, { recursive: true, force: true });
}

function packed(program: string, cmd: string): (from: string) => readonly string[] {
  return (from) => [
    ...[program, ...FILES]
      .filter((name) => existsSync(join(from, name)))
      .flatMap((name) => added(from, name)),
    ...['--entrypoint', `/${program}`],
    ...(cmd === '' ? [] : ['--cmd', cmd]),
  ];
}

function added(from: string, name: string): readonly string[] {
  return ['--add', `${join(from, name)}:/${name}`];
}

function sampan(...args: string[]): void {
  execFileSync(SAMPAN, [...args, '--data-dir', data], { stdio: ['ignore', 'ignore', 'inherit'] });
}

function packImages(): void {
  const listed = execFileSync(join(folder, 'e2e.test'), ['--list-images'], { encoding: 'utf8' });
  for (const image of new Set(listed.split('\n'))) {
    const [, name = ''] = /([^/]+):[^:]+$/.exec(image) ?? [];
    const standin = STANDINS[name];
    if (standin !== undefined) sampan('image', 'from-host', image, ...SHELL, ...standin(folder));
  }
}

async function runSuite(): Promise<void> {
  const options = {
    provider: 'skeleton',
    kubeconfig: join(data, 'kubeconfig'),
    'kubectl-path': KUBECTL,
    'report-dir': join(work, 'report'),
    'ginkgo.focus': values.focus,
    'ginkgo.skip': values.skip,
  };
  const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const suite = spawn(join(folder, 'e2e.test'), args, {
    cwd: folder,
    stdio: ['ignore', values.verbose ? 'inherit' : 'ignore', 'inherit'],
  });
  // The verdicts are in the report.
  await new Promise((ended) => suite.on('exit', ended));
}

/** True when nothing failed. */
function print(): boolean {
  const rows: { readonly name: string; readonly verdict: string; readonly seconds: number }[] = [];
  for (const file of globSync(join(work, 'report/*.xml'))) {
    const cases = readFileSync(file, 'utf8').matchAll(/<testcase ([^>]*?)(\/>|>([^]*?)<\/testcase>)/g);
    for (const [, attributes = '', , body = ''] of cases) {
      const [, name = ''] = /name="([^"]*)"/.exec(attributes) ?? [];
      // The suite's own set-up and reports stand among the cases.
      if (!name.startsWith('[It]') && /^\[[A-Za-z]+Suite\]/.test(name)) continue;
      if (/<skipped/.test(body) || /status="skipped"/.test(attributes)) continue;
      const [, seconds = '0'] = /time="([^"]*)"/.exec(attributes) ?? [];
      const verdict = /<(failure|error)/.test(body) ? 'FAIL' : 'pass';
      rows.push({ name: name.replaceAll('&#34;', '"'), verdict, seconds: Number(seconds) });
    }
  }
  for (const { name, verdict, seconds } of rows.toSorted((a, b) => a.name.localeCompare(b.name)))
    process.stdout.write(`${verdict}  ${seconds.toFixed(1).padStart(6)} s  ${name}\n`);
  const failed = rows.filter(({ verdict }) => verdict === 'FAIL').length;
  process.stdout.write(`${rows.length - failed} of ${rows.length} pass\n`);
  return rows.length > 0 && failed === 0;
}
