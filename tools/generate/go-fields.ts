/**
 * What Kubernetes' Go types say and its interface definitions do not: which fields are pointers, which are written
 * though they have their zero value, and the names of their types, which decoding errors show.
 *
 *   node tools/generate/go-fields.ts FOLDER
 *
 * reads the Go files beside the definitions (the same Debian packages have them) and writes `generated/go-fields.json`,
 * which `main.ts` reads. By package and message, of each field by its JSON name: `*` a pointer, `+` written always
 * (no omitempty), `0` never written with its zero value, then the Go type. What the definition says as well is left out.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

export type GoFields = { readonly [message: string]: { readonly [field: string]: string } };

/** Fields of struct types are there whatever omitempty says, unless it is omitzero: the emitter knows which they are. */
const OMITTED = /,omitempty\b/;
const NEVER_THERE = /,omitzero\b/;
/** The definition says as much. */
const SAID_ALREADY = /^ (\[\])?(string|bool|u?int(32|64)|map\[string\]string)$/;
const BUILTIN = /^(string|bool|byte|u?int(8|16|32|64)?|float(32|64)|interface\{\})$/;

/** The structs of one Go file. */
export function goFields(source: string, packageName: string): GoFields {
  const imports = new Map<string, string>();
  for (const [, alias, path = ''] of source.matchAll(/^\s+(?:(\w+) )?"([^"]+)"$/gm))
    imports.set(alias ?? basename(path), basename(path));
  const qualified = (type: string): string =>
    type.replaceAll(
      /(?<![\w.])(?:(\w+)\.)?(\w+)(?![\w.])/g,
      (whole, from: string | undefined, name: string) => {
        if (from !== undefined) return `${imports.get(from) ?? from}.${name}`;
        return BUILTIN.test(whole) || whole === 'map' ? whole : `${packageName}.${name}`;
      },
    );
  const structs: { [message: string]: { [field: string]: string } } = {};
  for (const [, name = '', body = ''] of source.matchAll(/^type (\w+) struct \{\n([\s\S]*?)^\}/gm)) {
    const fields: { [field: string]: string } = {};
    for (const [, type = '', json = ''] of body.matchAll(/^\t(?:\w+\s+)?(\S+)\s+`json:"([^"]*)"/gm)) {
      const [field = ''] = json.split(',');
      if (field === '' || field === '-') continue;
      const pointer = type.startsWith('*') ? '*' : '';
      const presence = NEVER_THERE.test(json) ? '0' : OMITTED.test(json) ? '' : '+';
      const fact = `${pointer}${presence} ${qualified(type.replace(/^\*/, ''))}`;
      if (!SAID_ALREADY.test(fact)) fields[field] = fact;
    }
    if (Object.keys(fields).length > 0) structs[name] = fields;
  }
  return structs;
}

/** All packages below a folder that have definitions, by their protobuf names. */
function allFields(folder: string): { readonly [packageName: string]: GoFields } {
  const packages: { [packageName: string]: GoFields } = {};
  for (const definition of globSync('k8s.io/**/generated.proto', { cwd: folder }).toSorted()) {
    const path = definition.replace(/\/generated\.proto$/, '');
    const files = globSync('*.go', { cwd: join(folder, path) }).filter(
      (file) => !/_test\.go$|generated|^doc\.go$/.test(file),
    );
    const found = files
      .toSorted()
      .map((file) => goFields(readFileSync(join(folder, path, file), 'utf8'), basename(path)));
    if (!/\/v\d[^/]*$/.test(path) || /example|testapi/.test(path)) continue;
    packages[path.replaceAll('/', '.').replaceAll('-', '_')] = Object.assign({}, ...found) as GoFields;
  }
  return packages;
}

if (import.meta.main) {
  const folder = process.argv[2];
  if (folder === undefined) {
    process.stderr.write('usage: node tools/generate/go-fields.ts FOLDER\n');
    process.exit(2);
  }
  const path = join(import.meta.dirname, 'generated/go-fields.json');
  const packages = Object.entries(allFields(folder)).map(([name, messages]) => {
    const lines = Object.entries(messages).map(
      ([message, fields]) => `  ${JSON.stringify(message)}: ${JSON.stringify(fields)}`,
    );
    return `${JSON.stringify(name)}: {\n${lines.join(',\n')}\n}`;
  });
  writeFileSync(path, `{\n${packages.join(',\n')}\n}\n`);
}
