/** Between two neighbours, or about the caller: nothing that the next one is to see. */
const NOT_PASSED =
  /^(authorization|cookie|host|content-length|keep-alive|te|trailer|transfer-encoding|impersonate-.*|x-remote-.*)$/;

export function passedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) =>
        !NOT_PASSED.test(name) &&
        // Only an upgrade makes a connection's own headers a matter of the next one.
        (headers['upgrade'] !== undefined || (name !== 'connection' && name !== 'upgrade')),
    ),
  );
}
