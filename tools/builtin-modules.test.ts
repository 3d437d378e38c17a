import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { build, type Plugin } from 'esbuild';
import { builtinModules } from './builtin-modules.ts';

const SOURCE = `
  import net, { createServer as listen } from 'node:net';
  import { createServer } from 'http';
  import * as path from 'node:path';
  const { sep } = await import('node:path');
  const loaded = process.moduleLoadList.some((name) => name.includes('undici'));
  console.log([typeof createServer, net.createServer === listen, path.sep === sep, loaded].join());
`;

async function printed(plugins: Plugin[]): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: SOURCE },
    bundle: true,
    format: 'esm',
    platform: 'node',
    write: false,
    plugins,
  });
  const args = ['--input-type=module', '--eval', outputFiles[0]!.text];
  return execFileSync(process.execPath, args, { encoding: 'utf8' }).trim();
}

test('the bundle has what it takes of Node’s modules, and nothing is made that nobody takes', async () => {
  assert.equal(await printed([builtinModules]), 'function,true,true,false');
  assert.equal(await printed([]), 'function,true,true,true', 'what it is for');
});
