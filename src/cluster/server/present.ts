/** The last touch to an answer: indented for people, or as YAML. */
import type { ApiResponse } from '../api/transport.ts';
import { formatYaml } from '../api/yaml.ts';
import type { Handler } from './context.ts';
import { wholeBody } from './list-body.ts';
import { parseAccept } from './negotiate.ts';

/** Programs that people look at answers with, which get them indented unless they say otherwise. */
const FOR_PEOPLE = /^(curl|Wget|Mozilla\/)/;

export const present: Handler = async (context, next) => {
  const response = await next();
  const { request, info, delegated } = context;
  if (delegated === true) return response;
  if (response.headers['content-type'] !== 'application/json' || info.verb === 'watch') return response;
  const accept = request.headers['accept'];
  if (accept?.includes('yaml') === true && parseAccept(accept)[0]?.type === 'application/yaml') {
    const text = await formatYaml(await jsonOf(response));
    return {
      ...response,
      headers: { ...response.headers, 'content-type': 'application/yaml' },
      body: Buffer.from(text),
    };
  }
  if (!wantsIndented(info.query, request.headers['user-agent'])) return response;
  return { ...response, body: Buffer.from(`${JSON.stringify(await jsonOf(response), undefined, 2)}\n`) };
};

async function jsonOf({ body }: ApiResponse): Promise<unknown> {
  return JSON.parse(Buffer.from(await wholeBody(body)).toString('utf8')) as unknown;
}

function wantsIndented(query: URLSearchParams, agent: string | undefined): boolean {
  const asked = query.size > 0 ? query.get('pretty') : null;
  if (asked !== null) return asked !== 'false' && asked !== '0';
  return agent !== undefined && FOR_PEOPLE.test(agent);
}
