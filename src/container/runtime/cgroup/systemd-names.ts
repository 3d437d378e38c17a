/** Names of systemd units (systemd.unit(5), systemd.slice(5)). */

const SLICE = '.slice';
const MAX_UNIT_NAME = 255;

/** `a-b-c.slice` is `/a.slice/a-b.slice/a-b-c.slice`; `undefined` when it cannot be a slice. */
export function expandSlice(slice: string): string | undefined {
  if (!slice.endsWith(SLICE) || slice.includes('/')) return undefined;
  const name = slice.slice(0, -SLICE.length);
  if (name === '-') return '/';
  const parts = name.split('-');
  if (parts.some((part) => part === '') || !isUnitName(slice)) return undefined;
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('-')}${SLICE}`).join('');
}

/** A scope, unless the name asks for a slice. `undefined` when systemd would not take it. */
export function unitNameOf(prefix: string, name: string): string | undefined {
  const unit = name.endsWith(SLICE) ? name : `${prefix}-${name}.scope`;
  return isUnitName(unit) ? unit : undefined;
}

function isUnitName(name: string): boolean {
  return name.length <= MAX_UNIT_NAME && /^[A-Za-z0-9:_.\\@-]+$/.test(name);
}

/** The object of a unit, as sd_bus_path_encode(3) makes it: whatever is no letter or digit becomes `_` and its hex. */
export function unitObjectPath(unit: string): string {
  const escaped = unit.replaceAll(
    /[^A-Za-z0-9]|^\d/g,
    (letter) => `_${letter.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return `/org/freedesktop/systemd1/unit/${escaped}`;
}
