/** `list`: the containers below one root. */
import { readFileSync, statSync } from 'node:fs';
import { errorMessage } from '../../../base/errors.ts';
import type { OciContext } from './context.ts';
import { type ContainerReport, stateOf } from './state.ts';

/** By id. One that cannot be read is warned of and left out. */
export function listContainers(context: OciContext): ContainerReport[] {
  const { folders, host } = context;
  const names = new Map<number, string>();
  return folders.ids(host.now()).flatMap((id) => {
    try {
      const report = stateOf(context, id);
      return [{ ...report, owner: userName(statSync(folders.path(id)).uid, names) }];
    } catch (error) {
      // Deleted meanwhile, or made by another program.
      context.warn(`load container ${id}: ${errorMessage(error)}`);
      return [];
    }
  });
}

function userName(uid: number, names: Map<number, string>): string {
  if (names.size === 0) {
    names.set(-1, '');
    for (const line of passwd()) {
      const [name = '', , number = ''] = line.split(':');
      if (number !== '' && !names.has(Number(number))) names.set(Number(number), name);
    }
  }
  return names.get(uid) ?? `#${uid}`;
}

function passwd(): string[] {
  try {
    return readFileSync('/etc/passwd', 'utf8').split('\n');
  } catch {
    return [];
  }
}
