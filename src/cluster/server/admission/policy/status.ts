import type { ServerParts } from '../../context.ts';

/** Follows policies and says in their status what is wrong with them; what does so is loaded with the first one. */
export function followPolicies(parts: ServerParts): AsyncDisposable {
  const resource = parts.resources.find('admissionregistration.k8s.io', 'v1', 'validatingadmissionpolicies');
  let working: Promise<void> = Promise.resolve();
  let stopped = false;
  const stack = new DisposableStack();
  stack.defer(() => void (stopped = true));
  const afterwards = async (previous: Promise<void>, name: string): Promise<void> => {
    await previous;
    if (stopped) return;
    const { checkTypes } = await import('./type-checking.ts');
    await checkTypes(parts, name);
  };
  const look = (name: string): void => {
    working = afterwards(working, name);
  };
  if (resource !== undefined) {
    const cache = parts.cache.resource(resource.prefix);
    stack.use(
      cache.subscribe(({ current, deleted }) => {
        if (!deleted) look(current.object.metadata.name ?? '');
      }),
    );
    for (const { object } of cache.list(resource.prefix)) look(object.metadata.name ?? '');
  }
  return {
    [Symbol.asyncDispose]: async () => {
      stack.dispose();
      await working;
    },
  };
}
