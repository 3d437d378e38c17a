/** Of each object of a seed file, requests that show it in every shape: as it is, as metadata, as a table, alone and in a list. */
import { parseAllDocuments } from 'yaml';
import type { HttpRequest } from './http-file.ts';

interface Seed {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name?: string; readonly namespace?: string };
  readonly status?: unknown;
}
export interface Place {
  readonly resource: string;
  readonly namespaced: boolean;
  readonly hasStatus: boolean;
}

const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';
const METADATA = 'application/json;as=PartialObjectMetadata';

export async function everyShape(
  text: string,
  placeOf: (apiVersion: string, kind: string) => Promise<Place | undefined>,
): Promise<readonly HttpRequest[]> {
  const requests: HttpRequest[] = [];
  for (const document of parseAllDocuments(text)) {
    const seed = document.toJS() as Seed | null;
    const place = seed === null ? undefined : await placeOf(seed.apiVersion, seed.kind);
    const name = seed?.metadata.name ?? '';
    if (seed === null || place === undefined || name === '') continue;
    const group = seed.apiVersion.includes('/') ? `/apis/${seed.apiVersion}` : `/api/${seed.apiVersion}`;
    const all = `${group}${place.namespaced ? '/namespaces/{{ns}}' : ''}/${place.resource}`;
    const one = `${all}/${name}`;
    const about = { title: `${seed.kind} ${name}`, line: 0, shown: 'all' as const };
    const request = (head: string, accept: string, body = ''): void => {
      const headers = { accept, 'content-type': 'application/json' };
      requests.push({ ...about, head, headers, body });
    };
    const { namespace: _its, ...metadata } = seed.metadata;
    const object = JSON.stringify({ ...seed, metadata });
    request(`POST ${all}`, TABLE, object);
    if (place.hasStatus && seed.status !== undefined) request(`PUT ${one}/status`, TABLE, object);
    request(`GET ${one}?includeObject=None`, TABLE);
    request(`GET ${all}?fieldSelector=metadata.name=${name}`, TABLE);
    request(`GET ${one}`, `${METADATA};v=v1;g=meta.k8s.io`);
    request(`GET ${all}?fieldSelector=metadata.name=${name}`, `${METADATA}List;v=v1;g=meta.k8s.io`);
    request(`GET ${one}`, 'application/json');
    request(`GET ${one}`, 'application/yaml');
    request(`DELETE ${one}`, 'application/json', '{"gracePeriodSeconds":0}');
  }
  return requests;
}
