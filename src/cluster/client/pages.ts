import { yieldToLoop } from '../../base/yield-to-loop.ts';
import type { ApiObject, Client, ListOptions, ListResult, ResourceType } from './contract.ts';

/** Objects of one page: 500 pods would hold up all else in this process for 10 ms. */
const PAGE = 100;

type Whole = Omit<ListOptions, 'limit' | 'continue'>;

/**
 * A list, page by page. Whoever answers may be in this process, where an answer waits for nothing, and many may list at once:
 * each page has a turn of the loop.
 */
export async function* pagesOf<T extends ApiObject>(
  client: Client,
  type: ResourceType<T>,
  options: Whole,
): AsyncGenerator<ListResult<T>, void, undefined> {
  let next: string | undefined;
  do {
    await yieldToLoop();
    const page = await client.list(type, {
      ...options,
      limit: PAGE,
      ...(next !== undefined && { continue: next }),
    });
    yield page;
    next = page.continue;
  } while (next !== undefined);
}

/** Whether an object of a list is such; nothing is read beyond the page of the first one. */
export async function someListed<T extends ApiObject>(
  client: Client,
  type: ResourceType<T>,
  options: Whole,
  isSuch: (object: T) => boolean,
): Promise<boolean> {
  for await (const { items } of pagesOf(client, type, options)) if (items.some(isSuch)) return true;
  return false;
}
