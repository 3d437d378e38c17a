/**
 * `main.js --serve [socket path]`: decides for `bin/sampan-oci`, which executes (docs/flows/oci-run.md). The caller is at
 * the other end of descriptor 3.
 */
import { armFailpoints } from '../../base/failpoint.ts';
import { linuxHost } from '../../container/runtime/oci/context.ts';
import { linuxKernel } from '../../kernel/linux.ts';
import { packageVersion } from '../package-root.ts';
import { BrainServer } from './server.ts';
import { type Program, serveRequest } from './session.ts';

const [mode, socketPath] = process.argv.slice(2);
if (mode !== '--serve') {
  process.stderr.write('this is started by bin/sampan-oci, which is the command to use\n');
  process.exit(2);
}
// Nothing of the caller's may be kept busy by us, and nothing of its settings may have a part in what others get.
process.chdir('/');
process.umask(0o022);

const kernel = linuxKernel();
const program: Program = {
  host: ({ request }) => linuxHost(kernel, request.pid),
  get version() {
    return packageVersion();
  },
};
const server = new BrainServer({
  kernel,
  socketPath,
  program: import.meta.filename,
  serve: (front) => {
    // A test's alone: who listens for others must not fail on behalf of one.
    if (socketPath === undefined) armFailpoints(front.request.env['SAMPAN_FAILPOINTS'] ?? '');
    return serveRequest(program, front);
  },
});
process.on('SIGTERM', () => process.exit(0));
// A bug of ours in one request is not to end the others; the caller that started us shows what is said here.
process.on('unhandledRejection', (error) => {
  process.stderr.write(
    `sampan-oci: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
});
await server.serveFirst(3);
