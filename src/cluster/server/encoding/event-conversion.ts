/** events.k8s.io/v1 is a second view of the core group's events: the same objects, other field names. */
import type { KubeObject } from '../object.ts';
import type { Conversion } from '../resource.ts';

/** Core name, events.k8s.io name. */
const RENAMED: readonly (readonly [string, string])[] = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['reportingComponent', 'reportingController'],
];

function rename(object: KubeObject, from: 0 | 1, apiVersion: string): KubeObject {
  const result: KubeObject = { ...object, apiVersion };
  for (const names of RENAMED) {
    const value = result[names[from]];
    if (value === undefined) continue;
    delete result[names[from]];
    result[names[from === 0 ? 1 : 0]] = value;
  }
  return result;
}

/** Empty ones are only written in the core group. */
const REPORTED_BY = ['reportingComponent', 'reportingInstance'];

export const eventConversion: Conversion = {
  fromStorage(object) {
    const event = { ...object };
    for (const name of REPORTED_BY) if (event[name] === '') delete event[name];
    return rename(event, 0, 'events.k8s.io/v1');
  },
  toStorage(object) {
    const event = rename(object, 1, 'v1');
    for (const name of REPORTED_BY) event[name] ??= '';
    return event;
  },
};
