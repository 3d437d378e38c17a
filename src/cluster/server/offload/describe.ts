/**
 * Documents of OpenAPI. Each is a megabyte at most, but made of many megabytes of objects that are gone as soon as it is
 * written: to collect them stops a thread for longer than the main one may be.
 */
import { systemClock } from '../../../base/clock.ts';
import { PlatformError } from '../../../base/errors.ts';
import { isJsonObject, type JsonObject } from '../../api/json.ts';
import { openApiV2, openApiV3, openApiV3Root } from '../../api/openapi.ts';
import { openApiV3Of } from '../../api/openapi/version3.ts';
import { parseInSlices } from '../../api/parse-in-slices.ts';
import { merged, partOf } from '../aggregation/backend-parts.ts';
import { inSlices, jsonSteps, type Steps } from '../encoding/document.ts';
import { encodeOpenApiV2 } from '../encoding/openapi-v2-protobuf.ts';
import { encodeOpenApiV3 } from '../encoding/openapi-v3-protobuf.ts';
import { byGroupVersion, pathOf } from '../group-version.ts';
import type { Resource } from '../resource.ts';
import type { Described } from './protocol.ts';

/** `resources` are all that are served. */
export async function described(what: Described, resources: readonly Resource[]): Promise<Uint8Array> {
  const document = await documentOf(what, resources);
  return await inSlices(encoded(what, document), systemClock);
}

async function documentOf(what: Described, resources: readonly Resource[]): Promise<JsonObject> {
  if (what.document === 'part') return partOf(await objectIn(what.whole), what);
  if (what.document === 'v3 of part') return openApiV3Of(await objectIn(what.part));
  if (what.document === 'v3 root') return await inSlices(openApiV3Root(what.path), systemClock);
  const served = byGroupVersion(resources);
  if (what.document === 'v3') return await inSlices(versionSteps(what, served), systemClock);
  const own = openApiV2([
    ...what.versions.map((version) => versionSteps(version, served)),
    ...what.roots.map((path) => openApiV3Root(path)),
  ]);
  const document = await inSlices(own, systemClock);
  const parts: JsonObject[] = [];
  for (const part of what.parts) parts.push(await objectIn(part));
  return merged(document, parts);
}

function versionSteps(
  of: { readonly group: string; readonly version: string },
  served: ReadonlyMap<string, readonly Resource[]>,
): Steps<JsonObject> {
  const resources = served.get(pathOf(of)) ?? [];
  return openApiV3(
    of,
    resources.map(({ declaration }) => declaration),
  );
}

function encoded(what: Described, document: JsonObject): Steps<Uint8Array> {
  if (what.document === 'part' || what.format === 'json') return jsonSteps(document);
  return what.document === 'v2' ? encodeOpenApiV2(document) : encodeOpenApiV3(document);
}

async function objectIn(bytes: Uint8Array): Promise<JsonObject> {
  const { value } = await parseInSlices(Buffer.from(bytes.buffer).toString(), 0);
  if (!isJsonObject(value)) throw new PlatformError('invalid', 'the document is no JSON object');
  return value;
}
