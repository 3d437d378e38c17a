/** The last touch to an answer: indented for people, or as YAML. */
import type { Clock } from '../../../base/clock.ts';
import { LARGE_BYTES, Slice } from '../../../base/yield-to-loop.ts';
import { parseLargeJson } from '../../api/decode.ts';
import type { JsonValue } from '../../api/json.ts';
import type { ApiResponse } from '../../api/transport.ts';
import { YamlWriter } from '../../api/yaml-writer.ts';
import type { RequestContext } from '../context.ts';
import { JsonIndenter } from './indent-json.ts';
import { ListBody, wholeBody } from './list-body.ts';
import { preferredType } from './negotiate.ts';

/** Programs that people look at answers with, which get them indented unless they say otherwise. */
const FOR_PEOPLE = /^(curl|Wget|Mozilla\/)/;

/** Lines that are written in one go, in some ten microseconds. */
const LINES = 64;
/** Text that is sent at once. */
const PIECE_CHARACTERS = 32 * 1024;

export function present(context: RequestContext, response: ApiResponse): ApiResponse | Promise<ApiResponse> {
  const { request, info, verbatim, server } = context;
  if (verbatim === true || (info.verb === 'watch' && response.status < 400)) return response;
  if (response.headers['content-type']?.startsWith('application/json') !== true) return response;
  const accept = request.headers['accept'];
  const isYaml =
    accept?.includes('yaml') === true && preferredType(accept, response.status >= 400) === 'application/yaml';
  if (!isYaml && !wantsIndented(info.query, request.headers['user-agent'])) return response;
  return formatted(response, isYaml, server.clock);
}

function inYaml(type = ''): string {
  return type.replace('application/json', 'application/yaml');
}

type Format = (body: ApiResponse['body'], slice: Slice) => AsyncGenerator<Uint8Array>;

async function formatted(response: ApiResponse, isYaml: boolean, clock: Clock): Promise<ApiResponse> {
  const { body, headers } = response;
  const format: Format = isYaml ? yamlOf : indented;
  const pieces = new ListBody(() => format(body, new Slice(clock)));
  const isSmall = body instanceof Uint8Array && body.length < LARGE_BYTES;
  return {
    ...response,
    headers: isYaml ? { ...headers, 'content-type': inYaml(headers['content-type']) } : headers,
    body: isSmall ? await wholeBody(pieces) : pieces,
  };
}

async function* indented(body: ApiResponse['body'], slice: Slice): AsyncGenerator<Uint8Array> {
  const indenter = new JsonIndenter();
  for await (const piece of body instanceof Uint8Array ? [body] : body) {
    for (const part of indenter.parts(piece)) {
      yield part;
      if (slice.over) await slice.next();
    }
  }
}

async function* yamlOf(body: ApiResponse['body'], slice: Slice): AsyncGenerator<Uint8Array> {
  let text = '';
  const sink = (more: string): void => void (text += more);
  const taken = (): Uint8Array => {
    const bytes = Buffer.from(text);
    text = '';
    return bytes;
  };
  async function* written(writer: YamlWriter): AsyncGenerator<Uint8Array> {
    for (let more = true; more;) {
      more = writer.write(LINES);
      if (text.length >= PIECE_CHARACTERS) yield taken();
      if (slice.over) await slice.next();
    }
  }
  const list = body instanceof ListBody ? body.list : undefined;
  if (list === undefined) {
    yield* written(YamlWriter.document(await parsed(await wholeBody(body)), sink));
    yield taken();
    return;
  }
  // The items are the last member.
  const { open, items, close } = list;
  yield* written(YamlWriter.document(await parsed(Buffer.concat([open, close])), sink));
  const head = text;
  text = head.replace(/ \[\]\n$/, '\n');
  let isEmpty = true;
  for (const item of items()) {
    isEmpty = false;
    const value = item.length < LARGE_BYTES ? ownJson(item) : await parsed(item);
    yield* written(YamlWriter.item(value, sink));
  }
  yield isEmpty ? Buffer.from(head) : taken();
}

/** What this server has written itself. */
function ownJson({ buffer, byteOffset, length }: Uint8Array): JsonValue {
  return JSON.parse(Buffer.from(buffer, byteOffset, length).toString('utf8')) as JsonValue;
}

async function parsed(bytes: Uint8Array): Promise<JsonValue> {
  return (await parseLargeJson(bytes, 'object')).value;
}

function wantsIndented(query: URLSearchParams, agent: string | undefined): boolean {
  const asked = query.size > 0 ? query.get('pretty') : null;
  if (asked !== null) return asked !== 'false' && asked !== '0';
  return agent !== undefined && FOR_PEOPLE.test(agent);
}
