/** Which test files run: all of them, those that are named, or, in CI, those that the manifest has chosen. */
import type { VmManifest, VmManifestEntry } from './manifest.ts';

export interface Selection {
  readonly chosen: readonly string[];
  readonly leftOut: readonly { readonly file: string; readonly why: string }[];
}

export interface Choice {
  /** All there are, from the repository's root. */
  readonly files: readonly string[];
  /** Asked for by name; empty for no wish. */
  readonly wanted: readonly string[];
  readonly ci: boolean;
  readonly manifest: VmManifest;
}

/** Longest first: with two at a time the end comes soonest. */
export function select({ files, wanted, ci, manifest }: Choice): Selection {
  const missing = wanted.filter((file) => !files.includes(file));
  if (missing.length > 0) throw new Error(`vm: no such test file: ${missing.join(', ')}`);
  const whyNot = (file: string): string | undefined => {
    if (wanted.length > 0) return wanted.includes(file) ? undefined : 'not asked for';
    return ci ? entryOf(file, manifest).leftOutOfCi : undefined;
  };
  const leftOut = files.flatMap((file) => {
    const why = whyNot(file);
    return why === undefined ? [] : [{ file, why }];
  });
  const chosen = files.filter((file) => whyNot(file) === undefined);
  return {
    chosen: chosen.toSorted((a, b) => entryOf(b, manifest).seconds - entryOf(a, manifest).seconds),
    leftOut,
  };
}

/** What is known of a file; one that nobody has measured takes no time. */
export function entryOf(file: string, manifest: VmManifest): VmManifestEntry {
  return manifest[nameOf(file)] ?? { seconds: 0 };
}

function nameOf(file: string): string {
  return file.slice(file.lastIndexOf('/') + 1);
}

/** What is wrong with a manifest, one line each. */
export function faultsIn(manifest: VmManifest, files: readonly string[], budget: number): readonly string[] {
  const names = files.map(nameOf);
  const seconds = Object.values(manifest)
    .filter(({ leftOutOfCi }) => leftOutOfCi === undefined)
    .reduce((sum, entry) => sum + entry.seconds, 0);
  return [
    ...names.filter((name) => !(name in manifest)).map((name) => `${name} has no entry`),
    ...Object.keys(manifest)
      .filter((name) => !names.includes(name))
      .map((name) => `${name} does not exist`),
    ...(seconds > budget ? [`the CI set takes ${seconds} s, more than ${budget} s`] : []),
  ];
}
