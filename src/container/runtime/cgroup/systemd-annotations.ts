/** `org.systemd.property.*`: properties of the scope by annotation, in systemd's text form of values. */
import { PlatformError } from '../../../base/errors.ts';
import { parseVariant } from './variant-text.ts';

const PREFIX = 'org.systemd.property.';

/** Checked for their form; `invalid` names the annotation. */
export function unitPropertiesOf(annotations: Readonly<Record<string, string>>): Record<string, string> {
  const properties: Record<string, string> = {};
  for (const [key, value] of Object.entries(annotations)) {
    if (!key.startsWith(PREFIX)) continue;
    const name = key.slice(PREFIX.length);
    if (!/^[A-Za-z]{3,}$/.test(name))
      throw new PlatformError(
        'invalid',
        `annotations["${key}"]: "${name}" is not the name of a unit property`,
      );
    try {
      parseVariant(value);
    } catch (error) {
      throw new PlatformError('invalid', `annotations["${key}"]: cannot read ${value}`, { cause: error });
    }
    properties[name] = value;
  }
  return properties;
}
