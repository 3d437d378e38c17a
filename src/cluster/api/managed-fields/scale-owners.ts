/** Who owns an object's replicas, as the owners of its Scale, and back: upstream keeps a Scale's own, of which the object's are made. */
import { getPath, type JsonObject } from '../json.ts';
import { FieldSetBuilder, fieldStep, type FieldSet } from './field-set.ts';
import { changed, listOfEntries, readEntries, type Entry } from './managed-fields.ts';

export const SCALE_VERSION = 'autoscaling/v1';
const REPLICAS = setOf(['spec', 'replicas']);

function setOf(path: readonly string[]): FieldSet {
  const builder = new FieldSetBuilder();
  builder.add(path.map(fieldStep));
  return builder.build();
}

const entriesOf = (object: JsonObject): ReturnType<typeof readEntries> =>
  readEntries(getPath(object, 'metadata', 'managedFields'));

/** The Scale's managedFields. `path`: where the object has its replicas. */
export function scaleOwners(object: JsonObject, path: readonly string[]): JsonObject[] {
  const steps = path.map(fieldStep);
  const owners = [...entriesOf(object).values()].filter(({ fields }) => fields.has(steps));
  return listOfEntries(
    owners.map((entry) => changed(entry, { fields: REPLICAS, apiVersion: SCALE_VERSION })),
  );
}

/** The object's managedFields after a write of its Scale. Who owns the replicas by it has no time, as upstream has it. */
export function ownersAfterScale(
  object: JsonObject,
  scale: JsonObject,
  { path, apiVersion }: { readonly path: readonly string[]; readonly apiVersion: string },
): JsonObject[] {
  const steps = path.map(fieldStep);
  const replicas = setOf(path);
  const ofScale = new Map(entriesOf(scale));
  const entries: Entry[] = [];
  for (const [key, entry] of entriesOf(object)) {
    if (!entry.fields.has(steps) || ofScale.delete(key)) entries.push(entry);
    else {
      const fields = entry.fields.difference(replicas);
      if (!fields.isEmpty) entries.push(changed(entry, { fields }));
    }
  }
  for (const entry of ofScale.values())
    if (!entry.fields.intersection(REPLICAS).isEmpty)
      entries.push(changed(entry, { fields: replicas, apiVersion, time: '' }));
  return listOfEntries(entries);
}
