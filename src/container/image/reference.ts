import { PlatformError } from '../../base/errors.ts';

/**
 * Image references in the grammar of the distribution project (`[domain/]path[:tag][@digest]`).
 *
 * Docker completes a bare name to `docker.io/library/NAME:latest`. Images that are made on this machine have no
 * registry, so they are kept as `localhost/NAME:latest`, and a bare name looks there first and at Docker Hub's name
 * second. A reference that spells its registry out means that registry only: `docker.io/library/hello` never finds
 * `localhost/hello`, or a local image could stand in for one that somebody asked for by its full name.
 */
export interface Reference {
  /** Host with optional port: `localhost`, `docker.io`, `registry.example:5000`. */
  readonly domain: string;
  readonly path: string;
  readonly tag: string;
  readonly digest?: string;
}

const PATH_COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const DOMAIN =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const MAX_NAME_LENGTH = 255;

interface Split {
  readonly domain: string | undefined;
  readonly path: string;
  readonly tag: string;
  readonly digest?: string;
}

/** Every full name that a reference may stand for, best first. Throws `invalid` for what is not a reference. */
export function candidates(reference: string): readonly Reference[] {
  const { domain, path, ...rest } = split(reference);
  if (domain === undefined) {
    const hubPath = path.includes('/') ? path : `library/${path}`;
    return [
      { domain: 'localhost', path, ...rest },
      { domain: 'docker.io', path: hubPath, ...rest },
    ];
  }
  if (domain === 'docker.io' || domain === 'index.docker.io') {
    return [{ domain: 'docker.io', path: path.includes('/') ? path : `library/${path}`, ...rest }];
  }
  return [{ domain, path, ...rest }];
}

/** The full name under which an image that is made here is stored. */
export function localReference(name: string): Reference {
  const [first] = candidates(name);
  if (first!.digest !== undefined) throw invalid(name, 'a new image is named by a tag, not by a digest');
  return first!;
}

/** `domain/path:tag`, the form that is stored. */
export function formatReference(reference: Reference): string {
  return `${reference.domain}/${reference.path}:${reference.tag}`;
}

export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

function split(reference: string): Split {
  const at = reference.indexOf('@');
  const digest = at === -1 ? undefined : reference.slice(at + 1);
  if (digest !== undefined && !DIGEST.test(digest))
    throw invalid(reference, `digest "${digest}" is not sha256:<64 hex>`);
  const named = at === -1 ? reference : reference.slice(0, at);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const name = hasTag ? named.slice(0, colon) : named;
  const tag = hasTag ? named.slice(colon + 1) : 'latest';
  if (!TAG.test(tag))
    throw invalid(reference, `tag "${tag}" is not letters, digits, "_", "." and "-", 128 at most`);
  if (name === '') throw invalid(reference, 'the name is empty');
  if (name.length > MAX_NAME_LENGTH)
    throw invalid(reference, `the name is longer than ${MAX_NAME_LENGTH} characters`);

  const slash = name.indexOf('/');
  const head = slash === -1 ? '' : name.slice(0, slash);
  // Docker's rule for what makes the first part a host: it could not be a path component, or is "localhost".
  const isHost =
    head.includes('.') || head.includes(':') || head === 'localhost' || head !== head.toLowerCase();
  const domain = isHost ? head : undefined;
  const path = isHost ? name.slice(slash + 1) : name;
  if (domain !== undefined && !DOMAIN.test(domain))
    throw invalid(reference, `"${domain}" is not a registry host`);
  for (const component of path.split('/')) {
    if (PATH_COMPONENT.test(component)) continue;
    const why = component === component.toLowerCase() ? 'is not a repository name' : 'must be lower case';
    throw invalid(reference, `"${component}" ${why}`);
  }
  return { domain, path, tag, ...(digest === undefined ? {} : { digest }) };
}

function invalid(reference: string, why: string): PlatformError {
  return new PlatformError('invalid', `invalid image reference "${reference}": ${why}`, {
    details: { reference },
  });
}
