/** Label and field selectors as the query string carries them, for the fake API. */
import type { Json, JsonObject } from './fake-patch.ts';

export type Match = (object: JsonObject) => boolean;

/** `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, joined by commas. */
export function labelMatch(text: string): Match {
  const terms = text
    .split(/,(?![^(]*\))/)
    .map((term) => term.trim())
    .filter((term) => term !== '')
    .map(labelTerm);
  return (object) => {
    const labels = (object['metadata'] as { labels?: Record<string, string> } | undefined)?.labels ?? {};
    return terms.every((term) => term(labels));
  };
}

function labelTerm(term: string): (labels: Readonly<Record<string, string>>) => boolean {
  const set = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/.exec(term);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    const values = list.split(',').map((value) => value.trim());
    return (labels) => {
      const value = labels[key];
      const within = value !== undefined && values.includes(value);
      return operator === 'in' ? within : !within;
    };
  }
  const equality = /^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(term);
  if (equality !== null) {
    const [, key = '', operator, value] = equality;
    return (labels) => (labels[key] === value) === (operator !== '!=');
  }
  if (term.startsWith('!')) return (labels) => labels[term.slice(1).trim()] === undefined;
  return (labels) => labels[term] !== undefined;
}

/** `path=value`, `path==value`, `path!=value`, joined by commas; a missing field is the empty string. */
export function fieldMatch(text: string): Match {
  const terms = text
    .split(',')
    .filter((term) => term !== '')
    .map((term): Match => {
      const [, path = '', operator, value] = /^([^=!]+)(==|=|!=)(.*)$/.exec(term) ?? [];
      return (object) => (fieldText(object, path) === value) === (operator !== '!=');
    });
  return (object) => terms.every((term) => term(object));
}

function fieldText(object: JsonObject, path: string): string {
  let value: Json | undefined = object;
  for (const part of path.split('.')) {
    value = typeof value === 'object' && value !== null && !Array.isArray(value) ? value[part] : undefined;
  }
  return value === undefined || value === null || typeof value === 'object' ? '' : `${value}`;
}
