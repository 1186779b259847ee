// How high the rows of a long list are: measured ones as they were measured, the others as they are guessed. Sums are kept
// for stretches of rows, so that finding a place in 100,000 rows looks at a few hundred numbers. Pure.

const STRETCH = 128;

/** Heights of rows, in pixels, from the first row on. */
export class Heights {
  private rows: number[] = [];
  private sums: number[] = [];

  /** How many rows there are. */
  get count(): number {
    return this.rows.length;
  }

  /** Of all rows. */
  get total(): number {
    return this.sums.reduce((all, sum) => all + sum, 0);
  }

  /** Be of so many rows; new ones are as high as `guess` says. */
  grow(count: number, guess: (row: number) => number): void {
    if (count < this.rows.length) this.clear();
    for (let row = this.rows.length; row < count; row += 1) {
      const height = guess(row);
      this.rows.push(height);
      const stretch = Math.floor(row / STRETCH);
      this.sums[stretch] = (this.sums[stretch] ?? 0) + height;
    }
  }

  /** Forget all. */
  clear(): void {
    this.rows = [];
    this.sums = [];
  }

  /** Say how high a row is; gives by how much that differs from before. */
  set(row: number, height: number): number {
    const change = height - this.rows[row]!;
    this.rows[row] = height;
    this.sums[Math.floor(row / STRETCH)]! += change;
    return change;
  }

  /** Where a row begins. */
  top(row: number): number {
    const stretch = Math.floor(row / STRETCH);
    let top = 0;
    for (let at = 0; at < stretch; at += 1) top += this.sums[at]!;
    for (let at = stretch * STRETCH; at < row; at += 1) top += this.rows[at]!;
    return top;
  }

  /** The row that `place` falls into; the last one beyond the end, 0 when there is none. */
  at(place: number): number {
    let left = place;
    let stretch = 0;
    while (stretch < this.sums.length - 1 && left >= this.sums[stretch]!) {
      left -= this.sums[stretch]!;
      stretch += 1;
    }
    let row = stretch * STRETCH;
    while (row < this.rows.length - 1 && left >= this.rows[row]!) {
      left -= this.rows[row]!;
      row += 1;
    }
    return Math.max(0, Math.min(row, this.rows.length - 1));
  }
}
