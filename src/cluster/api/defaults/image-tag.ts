/** The tag of an image's name, by the grammar of the distribution project's references. */

const COMPONENT = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = `(?:${COMPONENT}(?:\\.${COMPONENT})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const PATH_COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const TAG = String.raw`\w[\w.-]{0,127}`;
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
const REFERENCE = new RegExp(
  `^((?:${DOMAIN}/)?${PATH_COMPONENT}(?:/${PATH_COMPONENT})*)(?::(${TAG}))?(?:@(${DIGEST}))?$`,
);
/** An image's id is no name. */
const IDENTIFIER = /^[a-f0-9]{64}$/;
const KNOWN_DIGEST = /^(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})$/;
const MAX_NAME = 255;

/** `latest` when the name says neither tag nor digest; undefined when it says a digest alone or is no image's name. */
export function imageTag(image: string): string | undefined {
  if (IDENTIFIER.test(image)) return undefined;
  const normal = normalized(image);
  const [, name = '', tag, digest] = REFERENCE.exec(normal) ?? [];
  if (name === '' || name.length > MAX_NAME) return undefined;
  if (digest !== undefined && !KNOWN_DIGEST.test(digest)) return undefined;
  return tag ?? (digest === undefined ? 'latest' : undefined);
}

/** With the registry and folder that a short name leaves out. */
function normalized(image: string): string {
  const slash = image.indexOf('/');
  const first = slash === -1 ? '' : image.slice(0, slash);
  const isDomain = first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first;
  if (first !== '' && isDomain) return image;
  return `docker.io/${slash === -1 ? 'library/' : ''}${image}`;
}
