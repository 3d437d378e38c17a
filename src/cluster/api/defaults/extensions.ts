import { getPath, isJsonObject, stringAt, type JsonObject } from '../json.ts';
import { ensureObject, fill, isEmpty } from './fill.ts';

export function customResourceDefinitionDefaults(definition: JsonObject): void {
  const spec = ensureObject(definition, 'spec');
  const names = ensureObject(spec, 'names');
  const kind = stringAt(names, 'kind');
  if (isEmpty(names['singular']) && kind !== '') names['singular'] = kind.toLowerCase();
  if (isEmpty(names['listKind']) && kind !== '') names['listKind'] = `${kind}List`;
  const conversion = ensureObject(spec, 'conversion');
  fill(conversion, { strategy: 'None' });
  const service = getPath(conversion, 'webhook', 'clientConfig', 'service');
  if (isJsonObject(service)) fill(service, { port: 443 });
}
