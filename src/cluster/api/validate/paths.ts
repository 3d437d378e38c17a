/** Paths inside something else, which they must not lead out of. */
import { invalid, type FieldError } from '../field-error.ts';

export function validateNoBacksteps(path: string, at: string): FieldError[] {
  return path.split('/').includes('..') ? [invalid(at, path, "must not contain '..'")] : [];
}

export function validateDescendingPath(path: string, at: string): FieldError[] {
  return [
    ...(path.startsWith('/') ? [invalid(at, path, 'must be a relative path')] : []),
    ...validateNoBacksteps(path, at),
  ];
}

/** Volumes of keys are replaced as a whole by a link whose name starts with two dots. */
export function validateLocalPath(path: string, at: string): FieldError[] {
  const errors = validateDescendingPath(path, at);
  if (path.startsWith('..') && path !== '..' && !path.startsWith('../')) {
    errors.push(invalid(at, path, "must not start with '..'"));
  }
  return errors;
}
