/** Bundles the program: one file per entry point, the rest in chunks that load when they are first needed. */
import { build, type BuildOptions } from 'esbuild';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtinModules } from './builtin-modules.ts';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');

const entryPoints = {
  sampan: join(root, 'src/cli/main.ts'),
  'sqlite-worker': join(root, 'src/cluster/store/sqlite-worker.ts'),
  'offload-worker': join(root, 'src/cluster/server/offload/offload-worker.ts'),
};

rmSync(dist, { recursive: true, force: true });
const inputs = [
  ...(await bundle({ entryPoints, splitting: true })),
  // One file: it is started for a container whenever no warm one is there, and each file more costs it a millisecond.
  ...(await bundle({ entryPoints: { 'sampan-oci': join(root, 'src/cli/oci/main.ts') } })),
];
writeFileSync(join(dist, 'THIRD-PARTY.txt'), thirdPartyLicences(inputs));

/** The files that went in. */
async function bundle(options: Pick<BuildOptions, 'entryPoints' | 'splitting'>): Promise<string[]> {
  const { metafile } = await build({
    ...options,
    absWorkingDir: root,
    outdir: dist,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node26',
    // The ES module of a package that has both: a CommonJS one has no named exports once it is bundled.
    mainFields: ['module', 'main'],
    alias: { yaml: join(root, 'node_modules/yaml/browser/index.js') },
    plugins: [builtinModules],
    minifySyntax: true,
    minifyWhitespace: true,
    chunkNames: 'chunks/[name]-[hash]',
    metafile: true,
    logLevel: 'warning',
    // Some libraries are CommonJS inside and call require() for Node's own modules.
    banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
  });
  return Object.keys(metafile.inputs);
}

/** The licences of every package that ended up in the bundle, as their terms ask. */
function thirdPartyLicences(inputs: readonly string[]): string {
  const packages = new Set(
    inputs.flatMap((input) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? []),
  );
  return [...packages]
    .toSorted()
    .map((name) => {
      const folder = join(root, 'node_modules', name);
      const meta = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
        version: string;
        license: string;
      };
      const file = ['LICENSE', 'LICENSE.md', 'LICENSE.txt', 'license', 'LICENCE'].find((f) =>
        existsSync(join(folder, f)),
      );
      const text = file === undefined ? '' : readFileSync(join(folder, file), 'utf8').trim();
      return `${name} ${meta.version} (${meta.license})\n\n${text}\n`;
    })
    .join(`\n${'-'.repeat(78)}\n\n`);
}
