/** What a seccomp agent is told along with the listener (config-linux.md, "The Container Process State"). */
import type { RuntimeState } from '../../spec/runtime-config.ts';
import type { SeccompProgram } from '../seccomp/compile-seccomp.ts';

/** In front of the process' pid and behind it; `undefined` when there is no agent. */
export function agentState(
  seccomp: SeccompProgram | undefined,
  state: RuntimeState,
): [prefix: string, suffix: string] | undefined {
  const { listener } = seccomp ?? {};
  if (listener === undefined) return undefined;
  const head = JSON.stringify({ ociVersion: state.ociVersion, fds: ['seccompFd'] });
  const metadata = listener.metadata === '' ? {} : { metadata: listener.metadata };
  return [`${head.slice(0, -1)},"pid":`, `,${JSON.stringify({ ...metadata, state }).slice(1)}`];
}
