/** Columns as Go's text/tabwriter sets them for runc: at least 12 wide, three spaces between. */
const LEAST = 12;
const SPACE = 3;

export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [heading, ...rows];
  const widths = heading.map((_, column) => {
    return Math.max(LEAST, ...all.map((row) => (row[column] ?? '').length + SPACE));
  });
  return all
    .map((row) => {
      const cells = row.map((cell, column) =>
        column === row.length - 1 ? cell : cell.padEnd(widths[column]!),
      );
      return `${cells.join('')}\n`;
    })
    .join('');
}
