/** Answers every request with the name of the pod it runs in; leaves in peace when told to. */
import { createServer } from 'node:http';

const port = Number(process.env['PORT'] ?? 8080);
const pod = process.env['POD_NAME'] ?? 'nobody';
const greeting = process.env['GREETING'] ?? 'hello';

/** How long requests are still taken after SIGTERM: the time it takes every node to hear that we are going. */
const DRAIN_MS = 2000;

let leaving = false;

const server = createServer((request, response) => {
  if (leaving) response.setHeader('connection', 'close');
  if (request.url === '/healthz') {
    response.statusCode = leaving ? 503 : 200;
    response.end(leaving ? 'leaving\n' : 'ok\n');
    return;
  }
  response.end(`${greeting} from ${pod}\n`);
});

server.listen(port, () => console.log(`${pod} listens on ${port}`));

process.on('SIGTERM', () => {
  leaving = true;
  console.log(`${pod} leaves in ${DRAIN_MS} ms`);
  setTimeout(() => server.close(() => process.exit(0)), DRAIN_MS);
});
