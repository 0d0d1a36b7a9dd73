// Suggestions for words that were mistyped.

/** Most differences at which a word is still suggested, for words of any length. */
const mostDifferences = 3;

/**
 * Finds the word that was meant.
 * @returns ` Did you mean X?`, to append to a message; '' if no word is near enough
 */
export function suggestion(word: string, known: Iterable<string>): string {
  let best: string | undefined;
  let least = mostDifferences + 1;
  for (const each of known) {
    const differences = distance(word.toLowerCase(), each.toLowerCase());
    // Nearly every short word is near another one.
    if (differences < least && differences * 2.5 <= Math.max(word.length, each.length))
      [best, least] = [each, differences];
  }
  return best === undefined ? '' : ` Did you mean ${best}?`;
}

/** Returns the number of letters to insert, delete, replace or exchange with the next one (Damerau-Levenshtein distance). */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > mostDifferences) return mostDifferences + 1;
  let [before, row]: number[][] = [[], Array.from({ length: b.length + 1 }, (_each, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let least = Math.min(row![j]! + 1, next[j - 1]! + 1, row![j - 1]! + (isSame ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, before![j - 2]! + 1);
      next.push(least);
    }
    [before, row] = [row, next];
  }
  return row![b.length]!;
}
