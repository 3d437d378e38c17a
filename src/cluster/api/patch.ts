/** The three patch formats. Each returns a new value and leaves document and patch as they were. */
export { jsonPatch, MAX_PATCH_OPERATIONS } from './patch/json-patch.ts';
export { mergePatch } from './patch/merge-patch.ts';
export { strategicMergePatch } from './patch/strategic-merge-patch.ts';
