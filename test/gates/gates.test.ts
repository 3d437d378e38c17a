/** The gates are alive: each turns red on a violation planted for it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkLayers } from '../../tools/layers.ts';

const root = join(import.meta.dirname, '../..');

test('the layer gate finds imports that go up, statically and lazily', () => {
  const found = checkLayers(join(root, 'test/planted/layers')).map(
    ({ file, message }) => `${file}: ${message}`,
  );
  assert.ok(
    found.some((line) => line.startsWith('kernel/reaches-up.ts: kernel must not import cluster/store')),
  );
  assert.ok(
    found.some((line) =>
      line.startsWith(
        'cluster/controllers/touches-store.ts: cluster/controllers must not import cluster/store',
      ),
    ),
  );
});

test('the clock gate finds ambient time and chance, not comments, strings or pure dates', () => {
  const found = checkLayers(join(root, 'test/planted/layers')).filter(({ file }) =>
    file.endsWith('own-clock.ts'),
  );
  assert.deepEqual(
    found.map(({ line, message }) => [line, message.split(' under')[0]]),
    [
      [4, 'Date.'],
      [4, 'Math.random'],
      [5, 'setTimeout'],
    ],
  );
});

test('the sources themselves are clean', () => {
  assert.deepEqual(checkLayers(join(root, 'src')), []);
});

test('the linter finds a floating promise', () => {
  const lint = spawnSync(
    join(root, 'node_modules/.bin/oxlint'),
    ['--type-aware', '--no-ignore', '-c', join(root, 'test/planted/lint/oxlintrc.json'), '.'],
    { cwd: join(root, 'test/planted/lint'), encoding: 'utf8' },
  );
  assert.notEqual(lint.status, 0, lint.stdout + lint.stderr);
  assert.match(lint.stdout, /no-floating-promises/);
});
