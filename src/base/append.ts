/** Adds all of a list, however long: `push(...list)` takes one argument for each, and the stack has room for so many. */
export function append<T>(target: T[], list: readonly T[]): void {
  for (let i = 0; i < list.length; i++) target.push(list[i]!);
}
