import { isJsonObject, type JsonObject } from '../json.ts';
import { ensureObject, fill } from './fill.ts';

export function apiServiceDefaults(service: JsonObject): void {
  const spec = ensureObject(service, 'spec');
  if (isJsonObject(spec['service'])) fill(spec['service'], { port: 443 });
}
