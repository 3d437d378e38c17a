/** Annotations of pods that mean something to the system. */
import { append } from '../../../base/append.ts';
import { forbidden, invalid, type FieldError } from '../field-error.ts';
import { getPath, isJsonObject, objectAt, objectsAt, stringAt, textOf, type JsonObject } from '../json.ts';
import { validateDescendingPath } from './paths.ts';

/** On pods that stand in the API for what a kubelet runs by itself. */
export const MIRROR = 'kubernetes.io/config.mirror';
const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';
export const SECCOMP_POD = 'seccomp.security.alpha.kubernetes.io/pod';
export const SECCOMP_CONTAINER = 'container.seccomp.security.alpha.kubernetes.io/';
export const APPARMOR = 'container.apparmor.security.beta.kubernetes.io/';
const LOCALHOST = 'localhost/';

/** Most pods have none of those that name profiles. */
export function hasProfiles(annotations: JsonObject): boolean {
  for (const key in annotations) {
    if (key === SECCOMP_POD || key.startsWith(SECCOMP_CONTAINER) || key.startsWith(APPARMOR)) return true;
  }
  return false;
}

const LISTS = ['initContainers', 'containers', 'ephemeralContainers'];

/** `field` is where the annotations are. */
export function validatePodAnnotations(
  annotations: JsonObject,
  spec: JsonObject,
  field: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (annotations[MIRROR] !== undefined && stringAt(spec, 'nodeName') === '') {
    const detail = 'must set spec.nodeName if mirror pod annotation is set';
    errors.push(invalid(`${field}[${MIRROR}]`, annotations[MIRROR], detail));
  }
  const cost = annotations[DELETION_COST];
  if (cost !== undefined && !isInt32(textOf(cost))) {
    errors.push(invalid(`${field}[${DELETION_COST}]`, cost, 'must be a 32bit integer'));
  }
  if (!hasProfiles(annotations)) return errors;
  const seccomp = Object.entries(annotations).filter(
    ([key]) => key === SECCOMP_POD || key.startsWith(SECCOMP_CONTAINER),
  );
  for (const [key, value] of seccomp) append(errors, seccompProfile(textOf(value), `${field}.${key}`));
  const names = new Set(
    LISTS.flatMap((list) => objectsAt(spec, list).map((container) => stringAt(container, 'name'))),
  );
  for (const [key, value] of Object.entries(annotations)) {
    if (!key.startsWith(APPARMOR)) continue;
    const name = key.slice(APPARMOR.length);
    if (!names.has(name)) errors.push(invalid(`${field}[${key}]`, name, 'container not found'));
    const profile = textOf(value);
    if (['', 'runtime/default', 'unconfined'].includes(profile) || profile.startsWith(LOCALHOST)) continue;
    errors.push(invalid(`${field}[${key}]`, profile, `invalid AppArmor profile name: "${profile}"`));
  }
  return errors;
}

function isInt32(text: string): boolean {
  // Nothing but digits without leading zeros, and a sign only before a negative number.
  if (!/^(0|-?[1-9]\d*)$/.test(text)) return false;
  const number = Number(text);
  return number >= -2_147_483_648 && number <= 2_147_483_647;
}

function seccompProfile(profile: string, at: string): FieldError[] {
  if (['runtime/default', 'docker/default', 'unconfined'].includes(profile)) return [];
  if (profile.startsWith(LOCALHOST)) return validateDescendingPath(profile.slice(LOCALHOST.length), at);
  return [invalid(at, profile, 'must be a valid seccomp profile')];
}

/** What the annotations say of profiles is what the fields say. */
export function validateProfilesMatch(
  annotations: JsonObject,
  spec: JsonObject,
  field: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (!hasProfiles(annotations)) return errors;
  const compare = (
    profile: JsonObject[string],
    key: string,
    how: { readonly at: string; readonly word: string; readonly defaults: readonly string[] },
  ): void => {
    const annotation = annotations[key];
    if (annotation === undefined || !isJsonObject(profile)) return;
    append(errors, profileMismatch(profile, textOf(annotation), how));
  };
  const seccomp = { word: 'seccomp', defaults: ['runtime/default', 'docker/default'] };
  const ofPod = objectAt(spec, 'securityContext');
  compare(ofPod['seccompProfile'], SECCOMP_POD, {
    ...seccomp,
    at: `${field}.securityContext.seccompProfile`,
  });
  const visit = (visitor: (container: JsonObject, at: string) => void): void => {
    for (const list of LISTS) {
      for (const [index, container] of objectsAt(spec, list).entries()) {
        visitor(container, `${field}.${list}[${index}].securityContext`);
      }
    }
  };
  visit((container, at) => {
    const own = getPath(container, 'securityContext', 'seccompProfile');
    const key = `${SECCOMP_CONTAINER}${stringAt(container, 'name')}`;
    compare(own, key, { ...seccomp, at: `${at}.seccompProfile` });
  });
  if (stringAt(spec, 'os', 'name') === 'windows') return errors;
  visit((container, at) => {
    const own = getPath(container, 'securityContext', 'appArmorProfile') ?? ofPod['appArmorProfile'];
    const key = `${APPARMOR}${stringAt(container, 'name')}`;
    compare(own, key, { word: 'apparmor', defaults: ['runtime/default'], at: `${at}.appArmorProfile` });
  });
  return errors;
}

function profileMismatch(
  profile: JsonObject,
  annotation: string,
  how: { readonly at: string; readonly word: string; readonly defaults: readonly string[] },
): FieldError[] {
  const { at, word, defaults } = how;
  const type = stringAt(profile, 'type');
  const ofType = [forbidden(`${at}.type`, `${word} type in annotation and field must match`)];
  if (type === 'Unconfined') return annotation === 'unconfined' ? [] : ofType;
  if (type === 'RuntimeDefault') return defaults.includes(annotation) ? [] : ofType;
  if (type !== 'Localhost') return [];
  if (!annotation.startsWith(LOCALHOST)) return ofType;
  return annotation.slice(LOCALHOST.length) === profile['localhostProfile']
    ? []
    : [forbidden(`${at}.localhostProfile`, `${word} profile in annotation and field must match`)];
}

/** Some annotations say what a pod is, so that they come and go with it. */
export function validateAnnotationsUpdate(now: JsonObject, before: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (now === before) return errors;
  const say = (key: string, verb: string): void => {
    const at = `${field}[${key}]`;
    if (key.startsWith(APPARMOR)) errors.push(forbidden(at, `may not ${verb} AppArmor annotations`));
    if (key === MIRROR) errors.push(forbidden(at, `may not ${verb} mirror pod annotation`));
  };
  for (const key of Object.keys(before)) if (now[key] !== before[key]) say(key, 'remove or update');
  for (const key of Object.keys(now)) if (before[key] === undefined) say(key, 'add');
  return errors;
}

export function isMirrorPod(pod: JsonObject): boolean {
  return getPath(pod, 'metadata', 'annotations', MIRROR) !== undefined;
}
