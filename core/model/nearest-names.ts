/** Levenshtein's distance: how many letters to put in, take out or replace. */
export function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...from].entries()) {
    const row = [i + 1];
    for (const [j, other] of [...to].entries()) {
      const substituted = (previous[j] ?? 0) + (letter === other ? 0 : 1);
      row.push(Math.min(substituted, (previous[j + 1] ?? 0) + 1, (row[j] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[to.length] ?? 0;
}

const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

/** Up to two names that somebody may have meant: the same but for case and signs, or a few letters off. */
export const nearestNames = (name: string, names: readonly string[]): string[] =>
  names
    .map((known) => ({ known, edits: editDistance(plain(name), plain(known)) }))
    .filter(({ known, edits }) => edits <= Math.max(2, plain(known).length / 3))
    .sort((a, b) => a.edits - b.edits)
    .slice(0, 2)
    .map(({ known }) => known);
