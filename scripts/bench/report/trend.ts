/**
 * The growth of values sampled at equal intervals, from the first to the last, along the line that fits them best (least
 * squares), so that a single high value has little effect.
 */
export function growth(values: readonly number[]): number {
  const count = values.length;
  if (count < 2) return 0;
  const middle = (count - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  let [along, squares] = [0, 0];
  for (const [index, value] of values.entries()) {
    along += (index - middle) * (value - mean);
    squares += (index - middle) ** 2;
  }
  return (along / squares) * (count - 1);
}
