/** The image store as skopeo sees it, and what is packed as the kernel sees it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isPlatformError } from '../../src/base/errors.ts';
import { packHostImage } from '../../src/container/image/pack.ts';
import { openImageStore, type OpenImageStore } from '../../src/container/image/store.ts';
import { MEDIA_TYPE } from '../../src/container/spec/image.ts';

class Store implements Disposable {
  readonly dir: string = mkdtempSync(join(tmpdir(), 'sampan-image-'));
  readonly store: OpenImageStore = openImageStore({ dataDir: this.dir });

  /** skopeo's name of an image in the store. */
  at(reference: string): string {
    return `oci:${join(this.dir, 'images')}:${reference}`;
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

function skopeo(...args: string[]): string {
  return execFileSync('skopeo', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

test('skopeo inspects and copies what was packed', async () => {
  using place = new Store();
  const { image } = await packHostImage({
    store: place.store,
    name: 'tools',
    programs: ['sh', 'ls'],
    env: ['GREETING=hello'],
    labels: { who: 'test' },
    cmd: ['sh', '-c', 'ls'],
    workingDir: '/tmp',
  });
  const inspected = JSON.parse(skopeo('inspect', place.at('localhost/tools:latest'))) as Record<
    string,
    unknown
  >;
  assert.equal(inspected['Digest'], image.digest);
  assert.deepEqual(inspected['Labels'], { who: 'test' });
  const config = JSON.parse(
    skopeo('inspect', '--config', place.at('localhost/tools:latest')),
  ) as typeof image.config;
  assert.deepEqual(config.config?.Cmd, ['sh', '-c', 'ls']);
  assert.equal(config.config?.WorkingDir, '/tmp');
  assert.ok(config.config?.Env?.includes('GREETING=hello'));

  const copy = join(place.dir, 'copy');
  skopeo('copy', '--preserve-digests', place.at('localhost/tools:latest'), `oci:${copy}:tools`);
  const index = JSON.parse(readFileSync(join(copy, 'index.json'), 'utf8')) as {
    manifests: { digest: string }[];
  };
  assert.equal(index.manifests[0]?.digest, image.digest);
});

test('an image that skopeo put into the layout, compressed, is found and unpacked', async () => {
  using from = new Store();
  using to = new Store();
  await packHostImage({ store: from.store, name: 'tools', programs: ['sh', 'ls'] });
  await to.store.ready();
  // Into a layout, skopeo compresses what is not.
  skopeo('copy', from.at('localhost/tools:latest'), to.at('tools'));
  const image = await to.store.get('tools');
  assert.equal(image.manifest.layers[0]?.mediaType, MEDIA_TYPE.layerGzip);
  assert.equal(image.reference, 'localhost/tools:latest');
  const { lowerDirs } = await to.store.prepareSnapshot('k', image);
  assert.match(execFileSync('chroot', [lowerDirs[0]!, '/bin/ls', '/'], { encoding: 'utf8' }), /^bin$/m);
});

test('packed programs run with nothing else from the host', async () => {
  using place = new Store();
  const script = join(place.dir, 'greet');
  writeFileSync(script, '#!/usr/bin/env -S sh\necho greetings from $0\n');
  chmodSync(script, 0o755);
  const programs = [process.execPath, 'busybox', 'ls', 'sh', script];
  const { image } = await packHostImage({ store: place.store, name: 'tools', programs });
  const { lowerDirs } = await place.store.prepareSnapshot('k', image);
  const inside = (...args: string[]): string =>
    execFileSync('chroot', [lowerDirs[0]!, ...args], {
      encoding: 'utf8',
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
    });
  assert.equal(inside('sh', '-c', 'echo $((6 * 7))'), '42\n');
  assert.equal(inside('busybox', 'echo', 'hi'), 'hi\n');
  assert.match(inside('ls', '-ld', '/tmp'), /^drwxrwxrwt/);
  assert.equal(inside('node', '-p', 'process.version'), `${process.version}\n`);
  assert.match(inside('greet'), /^greetings/);
});

test('the same programs give the same digest in another store, and the second pack is free', async () => {
  using one = new Store();
  using two = new Store();
  const first = await packHostImage({ store: one.store, name: 'a', programs: ['sh'] });
  const other = await packHostImage({ store: two.store, name: 'b:v1', programs: ['sh'] });
  assert.equal(first.image.digest, other.image.digest);
  const again = await packHostImage({ store: one.store, name: 'a', programs: ['sh'] });
  assert.equal(again.outcome, 'cached');
  assert.equal(again.image.digest, first.image.digest);
});

test('a copied file that changes is packed anew', async () => {
  using place = new Store();
  const source = join(place.dir, 'page');
  const pack = async (content: string) => {
    writeFileSync(source, content);
    return packHostImage({
      store: place.store,
      name: 'a',
      programs: ['sh'],
      files: [{ source, destination: '/srv/page' }],
    });
  };
  const before = await pack('one');
  const after = await pack('two!');
  assert.equal(after.outcome, 'packed');
  assert.notEqual(after.image.digest, before.image.digest);
});

test('a missing program and a missing library are named', async () => {
  using place = new Store();
  const pack = (program: string) => packHostImage({ store: place.store, name: 'x', programs: [program] });
  await assert.rejects(
    pack('no-such-program'),
    (error) => isPlatformError(error, 'not-found') && /no-such-program/.test(error.message),
  );
  // A program that asks for a library nobody has: /bin/ls with the name of its C library changed.
  const broken = join(place.dir, 'broken');
  const bytes = readFileSync('/bin/ls');
  const at = bytes.indexOf('libc.so.6\0');
  bytes.write('libq.so.6', at, 'latin1');
  writeFileSync(broken, bytes, { mode: 0o755 });
  await assert.rejects(pack(broken), (error) => {
    assert.ok(isPlatformError(error, 'not-found'));
    assert.match(error.message, /broken needs the library libq\.so\.6/);
    return true;
  });
  assert.deepEqual(await place.store.list(), []);
});
