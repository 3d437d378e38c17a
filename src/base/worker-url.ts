/**
 * The program of a worker thread: TypeScript beside the module that starts it in development, `NAME.js` at the top of a
 * bundle.
 */
export function workerUrl(name: string, moduleUrl: string): URL {
  if (moduleUrl.endsWith('.ts')) return new URL(`./${name}.ts`, moduleUrl);
  // A bundler may have put the module into a chunk of its own, one folder below the entry points.
  return new URL(/\/chunks\/[^/]+$/.test(moduleUrl) ? `../${name}.js` : `./${name}.js`, moduleUrl);
}
