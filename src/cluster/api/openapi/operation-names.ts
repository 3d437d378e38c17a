/** What upstream calls operations (apiserver/pkg/endpoints/openapi): generated clients have their methods by these names. */

/** `rbac.authorization` → `rbacAuthorization`: what is no letter, digit or `_` starts a word, and so does a first digit. */
function camelCase(text: string): string {
  return text.replace(/^\d/, '.').replace(/[^\p{L}\d_]+(.?)/gu, (_, next: string) => next.toUpperCase());
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Group and version, or whatever else a path begins with. */
function placeOf(path: string): readonly string[] {
  const [first = '', ...rest] = path.split('/').filter((part) => part !== '');
  if (first === 'api') return ['core', ...rest.slice(0, 1)];
  return first === 'apis' ? rest.slice(0, 2).map((part) => part.replace(/\.k8s\.io$/, '')) : [];
}

/** `list` and `NamespacedPod` at `/api/v1/namespaces/{namespace}/pods` → `listCoreV1NamespacedPod`. */
export function operationId(path: string, verb: string, noun: string): string {
  return [verb, ...placeOf(path).map((part) => capitalized(camelCase(part))), noun].join('');
}

/** `apps_v1`. */
export function tagOf(path: string): string {
  const place = placeOf(path);
  const words = place.length > 0 ? place : path.split('/').slice(1, 2);
  return words.map((word) => camelCase(word)).join('_');
}
