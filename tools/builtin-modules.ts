/**
 * Node's own modules in the bundle, taken as they are. An `import` of one makes Node read all that the module has, and what
 * is made when it is first asked for is made then: `node:http` brings a whole client library of 28 ms, `node:crypto` the
 * Web Cryptography API.
 */
import type { Plugin } from 'esbuild';
import { isBuiltin } from 'node:module';

const NAMESPACE = 'builtin-module';

export const builtinModules: Plugin = {
  name: 'builtin-modules',
  setup(bundle) {
    bundle.onResolve({ filter: /^(node:)?[a-z\d_]+(\/[a-z]+)*$/ }, ({ path, kind }) =>
      kind === 'import-statement' && isBuiltin(path)
        ? { path: path.replace(/^node:/, ''), namespace: NAMESPACE, sideEffects: false }
        : undefined,
    );
    bundle.onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path }) => ({ contents: wrapped(path) }));
  },
};

/** An ES module of the same names, of which the bundle keeps those that are used. */
function wrapped(path: string): string {
  const module = process.getBuiltinModule(`node:${path}`);
  if (module === undefined) throw new Error(`this Node has no module ${path}`);
  const names = Object.keys(module).filter((name) => name !== 'default');
  return [
    `const module = /* @__PURE__ */ process.getBuiltinModule('node:${path}');`,
    'export default module;',
    ...names.map((name, i) => `const m${i} = /* @__PURE__ */ (() => module.${name})();`),
    `export { ${names.map((name, i) => `m${i} as ${name}`).join(', ')} };`,
  ].join('\n');
}
