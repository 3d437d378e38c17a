/**
 * Writes the generated files from a folder of published interface definitions (the `*.proto` files of Debian's
 * golang-k8s-*-dev packages, laid out by import path): `node tools/generate/main.ts FOLDER`.
 */
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { emitCri } from './emit-cri.ts';
import { emitSchema } from './emit-schema.ts';
import { emitTypes } from './emit-types.ts';
import type { GoFields } from './go-fields.ts';
import { buildModel } from './model.ts';
import { parseProto, type ProtoFile } from './proto.ts';

const folder = process.argv[2];
if (folder === undefined) {
  process.stderr.write('usage: node tools/generate/main.ts FOLDER\n');
  process.exit(2);
}

const root = join(import.meta.dirname, '../..');
const apiFolder = join(root, 'src/cluster/api/generated');
const criFolder = join(root, 'src/container/cri/generated');

// Debian has no package with the aggregator's definitions: they stand beside this file, written by hand.
const files = [folder, join(import.meta.dirname, 'overlay')].flatMap((from) =>
  globSync('k8s.io/**/*.proto', { cwd: from })
    .toSorted()
    .map((path): ProtoFile => parseProto(readFileSync(join(from, path), 'utf8'), path)),
);

for (const output of [apiFolder, criFolder]) {
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output, { recursive: true });
}

const goPackages = JSON.parse(
  readFileSync(join(import.meta.dirname, 'generated/go-fields.json'), 'utf8'),
) as Readonly<Record<string, GoFields>>;
const model = buildModel(
  files.filter((file) => file.package.startsWith('k8s.io.')),
  goPackages,
);
for (const groupVersion of model) {
  writeFileSync(join(apiFolder, `${groupVersion.id}.ts`), emitTypes(groupVersion));
}
writeFileSync(join(apiFolder, 'schema-data.ts'), emitSchema(model));

const cri = files.find((file) => file.package === 'runtime.v1');
if (cri === undefined) throw new Error(`${folder}: no file of package runtime.v1`);
writeFileSync(join(criFolder, 'types.ts'), emitCri(cri));

process.stdout.write(`${model.length} group versions, ${model.flatMap((g) => g.messages).length} messages\n`);
