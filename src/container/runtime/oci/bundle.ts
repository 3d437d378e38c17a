/** A bundle: a folder with `config.json` and what that refers to. */
import { readFileSync, realpathSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import type { RuntimeConfig } from '../../spec/runtime-config.ts';
import { parseRuntimeConfig } from '../config/validate.ts';
import { configWarnings } from '../config/warnings.ts';
import { seccompWanted } from '../seccomp/check-seccomp.ts';
import { compileSeccomp, type SeccompProgram } from '../seccomp/compile-seccomp.ts';
import { callerPath, type OciContext } from './context.ts';
import { errnoOf, reasonOf } from './file-error.ts';

export interface Bundle {
  /** Absolute, without symbolic links: they may change later. */
  readonly folder: string;
  readonly rootfs: string;
  readonly config: RuntimeConfig;
}

/** `path` as on the command line. `invalid` with the JSON path for a configuration that cannot be. */
export function readBundle(context: OciContext, path: string): Bundle {
  const folder = openFolder(callerPath(context, path));
  const file = join(folder, 'config.json');
  const config = parseRuntimeConfig(readConfig(file), file);
  for (const warning of configWarnings(config)) context.warn(warning);
  const root = config.root?.path ?? '';
  return { folder, config, rootfs: isAbsolute(root) ? root : join(folder, root) };
}

function openFolder(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw new PlatformError('not-found', `bundle ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

function readConfig(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      throw new PlatformError('not-found', `JSON specification file ${path} not found`, { cause: error });
    }
    throw new PlatformError('invalid', `${path}: ${reasonOf(error)}`, { cause: error });
  }
}

export function seccompOf(config: RuntimeConfig): SeccompProgram | undefined {
  const profile = config.linux?.seccomp;
  if (!seccompWanted(profile)) return undefined;
  return compileSeccomp(profile, { arch: process.arch === 'arm64' ? 'arm64' : 'x64' });
}
