import assert from 'node:assert/strict';
import { test } from 'node:test';
import { imageTag } from './image-tag.ts';

const DIGEST = `sha256:${'0a'.repeat(32)}`;
const CASES: readonly (readonly [string, string | undefined])[] = [
  ['nginx', 'latest'],
  ['nginx:1.27', '1.27'],
  ['registry.example.com:5000/team/app', 'latest'],
  ['localhost/app:v1', 'v1'],
  [`nginx@${DIGEST}`, undefined],
  [`nginx:latest@${DIGEST}`, 'latest'],
  ['nginx@sha256:0a', undefined],
  ['Not_Valid!', undefined],
  ['../up', undefined],
  ['/root', undefined],
  ['Upper/app', 'latest'],
  ['upper/App', undefined],
  ['[fd00::1]:5000/app', 'latest'],
  ['0a'.repeat(32), undefined],
  ['x'.repeat(300), undefined],
];

for (const [image, tag] of CASES) {
  test(`the tag of ${image.slice(0, 80)}`, () => assert.equal(imageTag(image), tag));
}
