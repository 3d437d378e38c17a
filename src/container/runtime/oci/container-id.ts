import { PlatformError } from '../../../base/errors.ts';

/** As long as a name in a file system may be. */
const ID_MAX = 255;

/** Throws `invalid` unless it may be the name of a container: the same rule as other runtimes have. */
export function checkContainerId(id: string): void {
  if (id === '') throw new PlatformError('invalid', 'container id cannot be empty');
  const inner = id === '.' || id === '..' || !/^[\w+.-]+$/.test(id);
  if (inner || Buffer.byteLength(id) > ID_MAX) {
    throw new PlatformError('invalid', 'invalid container ID format', {
      hint: `an id has letters, digits and _ + . - and at most ${ID_MAX} of them`,
      details: { id },
    });
  }
}
