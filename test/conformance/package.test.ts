/** The npm tarball, installed into an empty folder, is the same program, from its bundle. */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { ROOT, runProgram } from '../fixtures/sampan.ts';

test('the packed tarball runs from an empty folder', async (t) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sampan-pack-')));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const packed = await runProgram(['npm', 'pack', '--silent', '--pack-destination', folder, ROOT]);
  assert.equal(packed.code, 0, packed.stderr);
  const [tarball] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));

  const app = join(folder, 'app');
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), '{"name":"app","private":true}');
  // The pinned Node is 120 MB: the folder gets the copy that is here, and npm only the package itself.
  const installed = await runProgram([
    'npm',
    'install',
    '--prefix',
    app,
    '--omit=optional',
    '--no-audit',
    '--no-fund',
    join(folder, tarball!),
  ]);
  assert.equal(installed.code, 0, installed.stderr);
  const node = `node-linux-${process.arch}`;
  symlinkSync(dirname(dirname(process.execPath)), join(app, 'node_modules', node));

  const home = join(app, 'node_modules/sampan');
  assert.ok(!existsSync(join(home, 'src')), 'no sources in the package');
  for (const file of [
    'dist/sampan.js',
    'dist/sqlite-worker.js',
    'dist/offload-worker.js',
    `prebuilt/linux-${process.arch}/sampan-shim`,
    `prebuilt/linux-${process.arch}/seam.node`,
    'LICENSE',
    'NOTICE',
  ]) {
    assert.ok(existsSync(join(home, file)), file);
  }

  const sampan = join(app, 'node_modules/.bin/sampan');
  const version = await runProgram([sampan, 'version']);
  assert.match(version.stdout, /^sampan \d+\.\d+\.\d+ \(Node v26\./, version.stderr);

  const data = join(folder, 'data');
  assert.equal(
    (await runProgram([sampan, 'image', 'from-host', '--data-dir', data, 'tools', 'busybox'])).code,
    0,
  );
  const ran = await runProgram([sampan, 'run', '--data-dir', data, 'tools', 'busybox', 'echo', 'packed']);
  assert.equal(ran.stdout, 'packed\n', ran.stderr);

  const up = await runProgram([sampan, 'up', '--detach', '--no-node', '--port', '0', '--data-dir', data]);
  assert.equal(up.code, 0, up.stderr);
  const status = await runProgram([sampan, 'status', '--data-dir', data, '-o', 'json']);
  const down = await runProgram([sampan, 'down', '--data-dir', data]);
  assert.equal((JSON.parse(status.stdout) as { running: boolean }).running, true);
  assert.equal(down.code, 0, down.stderr);
});
