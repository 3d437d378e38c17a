/**
 * `$(NAME)` references of command, args and env values (Kubernetes API reference, EnvVar.value): known names are
 * replaced, unknown references stay as they are, `$$` is a `$` that begins nothing.
 */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  let out = '';
  let from = 0;
  for (let at = text.indexOf('$'); at >= 0 && at + 1 < text.length; at = text.indexOf('$', from)) {
    out += text.slice(from, at);
    const next = text[at + 1];
    const end = next === '(' ? text.indexOf(')', at + 2) : -1;
    if (next === '$') {
      out += '$';
      from = at + 2;
    } else if (end > 0) {
      const reference = text.slice(at, end + 1);
      out += lookup(text.slice(at + 2, end)) ?? reference;
      from = end + 1;
    } else {
      // A `$` before anything else, and an unclosed `$(`, stand for themselves.
      out += `$${next ?? ''}`;
      from = at + 2;
    }
  }
  return out + text.slice(from);
}
