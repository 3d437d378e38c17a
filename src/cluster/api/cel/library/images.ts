/** References of images in expressions, with the defaults of Docker's hub. */
import { CelError } from '../cel-error.ts';
import { fn, method, reads, type Overload } from '../functions.ts';
import { BOOL, opaque, STRING } from '../types.ts';
import type { Opaque } from '../values.ts';

const HUB = 'index.docker.io';
const TAG = /^[\w.-]{1,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const REPOSITORY = /^[a-z0-9_./-]{2,255}$/;
/** A name, IPv4 or bracketed IPv6 address, with or without a port. */
const REGISTRY = /^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d*)?$/;

interface Parts {
  readonly registry: string;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

class Image implements Opaque {
  readonly opaque = 'kubernetes.Image';
  readonly parts: Parts;

  constructor(parts: Parts) {
    this.parts = parts;
  }

  get identifier(): string {
    return this.parts.digest === '' ? this.parts.tag : this.parts.digest;
  }

  equals(other: Opaque): boolean {
    if (!(other instanceof Image)) return false;
    const { registry, repository } = other.parts;
    return (
      registry === this.parts.registry &&
      repository === this.parts.repository &&
      other.identifier === this.identifier
    );
  }
}

function parseImage(text: string): Image | undefined {
  const [base = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) return undefined;
  const colon = base.lastIndexOf(':');
  const tagged = colon > 0 && !base.slice(colon).includes('/');
  const tag = tagged ? base.slice(colon + 1) : 'latest';
  if (!TAG.test(tag)) return undefined;
  const place = placeOf(tagged ? base.slice(0, colon) : base);
  return place && new Image({ ...place, tag: digest === undefined ? tag : '', digest: digest ?? '' });
}

function placeOf(name: string): { registry: string; repository: string } | undefined {
  const slash = name.indexOf('/');
  const first = slash === -1 ? '' : name.slice(0, slash);
  const named = /[.:]/.test(first) || first === 'localhost';
  const registry = named && first !== 'docker.io' ? first : HUB;
  const path = named ? name.slice(slash + 1) : name;
  if (!REPOSITORY.test(path) || path.split('/').includes('') || !REGISTRY.test(registry)) return undefined;
  const repository = registry === HUB && !path.includes('/') ? `library/${path}` : path;
  return { registry, repository };
}

function imageOf(text: string): Image {
  const found = parseImage(text);
  if (found === undefined) throw new CelError(`could not parse reference: ${text}`);
  return found;
}

const IMAGE = opaque('kubernetes.Image');

export const images: readonly Overload[] = [
  fn('image', [STRING], IMAGE, imageOf, reads),
  fn('isImage', [STRING], BOOL, (text: string) => parseImage(text) !== undefined, reads),
  method(IMAGE, 'containsDigest', [], BOOL, ({ parts }: Image) => parts.digest !== ''),
  method(IMAGE, 'registry', [], STRING, ({ parts }: Image) => parts.registry),
  method(IMAGE, 'repository', [], STRING, ({ parts }: Image) => parts.repository),
  method(IMAGE, 'tag', [], STRING, ({ parts }: Image) => parts.tag),
  method(IMAGE, 'digest', [], STRING, ({ parts }: Image) => parts.digest),
  method(IMAGE, 'identifier', [], STRING, ({ identifier }: Image) => identifier),
];
