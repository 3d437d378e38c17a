/**
 * The pages of docs/flows and docs/architecture.md name what there is: files and folders exist, `path#name` is declared
 * in that file (`path#Class.method` both, `path#Class.#method` for a private one), and relative links lead somewhere. Every
 * room has a README of which the same holds.
 */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../..');
const pages = [...globSync('docs/flows/*.md', { cwd: root }).toSorted(), 'docs/architecture.md'];

/** A path from the repository's root, and what is named in it. */
const REFERENCE = /(?<![\w./-])((?:src|native|test|tools)\/[\w./-]*)(?:#([\w.#]+))?/g;
const LINK = /\]\(([^)#]+)[^)]*\)/g;

function referencesOf(text: string): readonly { readonly path: string; readonly name: string | undefined }[] {
  return [...text.matchAll(REFERENCE)].map(([, path, name]) => ({
    path: path!.replace(/\.+$/, ''),
    name: name?.replace(/\.+$/, ''),
  }));
}

/** What a page says that is not so, one line each. */
function errorsIn(page: string, text: string): string[] {
  const wrong = referencesOf(text).flatMap(({ path, name }) => {
    const file = join(root, path);
    if (!existsSync(file)) return [`${page}: ${path} does not exist`];
    if (name === undefined) return [];
    if (!statSync(file).isFile()) return [`${page}: ${path} is a folder`];
    const source = readFileSync(file, 'utf8');
    const missing = name.split('.').filter((part) => !declares(source, part));
    return missing.map((part) => `${page}: ${path} does not declare ${part}`);
  });
  const links = [...text.matchAll(LINK)].map(([, target]) => target!).filter((to) => !/^\w+:/.test(to));
  const dead = links.filter((target) => !existsSync(join(root, dirname(page), target)));
  return [...wrong, ...dead.map((target) => `${page}: the link to ${target} leads nowhere`)];
}

/** A declaration in TypeScript (also of a method) or a definition in C; a mere call is not one. */
function declares(source: string, name: string): boolean {
  const word = `${name}(?!\\w)`;
  const named = `(?:export |async )*(?:class|interface|type|const|function\\*?) ${word}`;
  const method = `(?:async |static |get )*\\*?${word}(?:<.*>)?\\((?:.*\\{)?$`;
  const inC = `(?:static |_Noreturn )*(?:int|void|bool) \\*?${word}\\(.*\\)$`;
  return new RegExp(`^\\s*(?:${named}|${method})|^${inC}`, 'm').test(source);
}

for (const page of pages) {
  test(`${page} names what there is`, () => {
    assert.deepEqual(errorsIn(page, readFileSync(join(root, page), 'utf8')), []);
  });
}

const layers = JSON.parse(readFileSync(join(root, 'tools/layers.json'), 'utf8')) as Record<string, unknown>;
for (const room of Object.keys(layers).filter((name) => name !== '//')) {
  test(`the README of ${room} says what the room may import and where to start, and names what there is`, () => {
    const page = `src/${room}/README.md`;
    const text = readFileSync(join(root, page), 'utf8');
    assert.match(text, /\bimports?\b/i);
    assert.match(text, /\bstart(s|ing)? (at|with|reading|points?)\b/i);
    assert.deepEqual(errorsIn(page, text), []);
  });
}

test('every flow names functions', () => {
  const silent = pages.slice(0, -1).filter((page) => {
    return !referencesOf(readFileSync(join(root, page), 'utf8')).some(({ name }) => name !== undefined);
  });
  assert.deepEqual(silent, []);
});

test('a path, a name, a private name and a link that are wrong are found, right ones are not', () => {
  const text = [
    'right: `src/base/errors.ts#PlatformError`, `native/init.c#init_main`, `src/container/engine/records.ts#Records.put`.',
    '`src/base/nowhere.ts`, `src/base/errors.ts#Nobody`, `src/container/engine/records.ts#Records.#put`',
    '`src/container/engine/sandboxes.ts#rm`, [there](../architecture.md), [nowhere](nowhere.md)',
  ].join('\n');
  assert.deepEqual(errorsIn('docs/flows/planted.md', text), [
    'docs/flows/planted.md: src/base/nowhere.ts does not exist',
    'docs/flows/planted.md: src/base/errors.ts does not declare Nobody',
    'docs/flows/planted.md: src/container/engine/records.ts does not declare #put',
    'docs/flows/planted.md: src/container/engine/sandboxes.ts does not declare rm',
    'docs/flows/planted.md: the link to nowhere.md leads nowhere',
  ]);
});
