/** Objects on their way between the version of a request and the stored one. */
import type { ResourceContext } from '../context.ts';
import type { KubeObject } from '../object.ts';
import { checkMade } from '../offload/wide.ts';
import { shownAs, storedAs } from '../resource.ts';

/** As `shownAs`; throws TooLong where another program has made something wide. */
export async function shownTo(context: ResourceContext, stored: KubeObject): Promise<KubeObject> {
  return checked(context, await shownAs(context.resource, stored));
}

/** As `storedAs`; throws TooLong where another program has made something wide. */
export async function storedFrom(context: ResourceContext, shown: KubeObject): Promise<KubeObject> {
  return checked(context, await storedAs(context.resource, shown));
}

function checked(context: ResourceContext, made: KubeObject): KubeObject {
  if (context.resource.conversion?.program !== undefined) checkMade(context.server, made);
  return made;
}
