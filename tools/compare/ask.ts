/** One request, one whole answer. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';
import type { Json } from './mutations.ts';

export interface Question {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly body?: string | Uint8Array;
  /** Lower-case names; an empty value leaves out what would be sent by default. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

export interface Answer {
  readonly status: number;
  readonly warnings: readonly string[];
  readonly headers: IncomingHttpHeaders;
  /** Parsed where it is JSON. */
  readonly body: Json;
}

export const PARALLEL = 8;
/** No answer ends later than this: a watch that nothing bounds is cut off. */
const ENDED_WITHIN_MS = 15_000;
/** Watches take theirs for a while. */
const agent = new Agent({ keepAlive: true, maxSockets: 4 * PARALLEL, rejectUnauthorized: false });

const NO_ANSWER: Answer = { status: 0, warnings: [], headers: {}, body: null };

export function hangUp(): void {
  agent.destroy();
}

export async function ask(server: string, token: string, question: Question): Promise<Answer> {
  const { method, path, body = '' } = question;
  const all = {
    authorization: `Bearer ${token}`,
    'user-agent': 'compare',
    'content-type': 'application/json',
    // Node names no length of what goes with a DELETE by itself.
    'content-length': String(Buffer.byteLength(body)),
    ...question.headers,
  };
  const headers = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
  return new Promise((resolve, reject) => {
    // As it is: an URL would tidy it up.
    const sent = request(server, { agent, method, headers, path }, (response) => {
      const cut = setTimeout(() => {
        process.stderr.write(`${method} ${server}${path} has no end\n`);
        response.destroy();
      }, ENDED_WITHIN_MS);
      void answerOf(response)
        .finally(() => clearTimeout(cut))
        .then(resolve, () => resolve(NO_ANSWER));
    });
    sent.on('error', (error: NodeJS.ErrnoException) => {
      // A kube-apiserver that panics drops the connection.
      if (error.code === 'ECONNRESET') resolve(NO_ANSWER);
      else reject(error);
    });
    sent.end(body);
  });
}

async function answerOf(response: IncomingMessage): Promise<Answer> {
  const { statusCode: status = 0, headers } = response;
  return {
    status,
    warnings: headers['warning'] === undefined ? [] : [headers['warning']],
    headers,
    body: parsed(await text(response)),
  };
}

function parsed(answer: string): Json {
  try {
    return JSON.parse(answer) as Json;
  } catch {
    return answer;
  }
}
