import { sha256 } from '#kernel';
import type { LoggedRow } from './tree.store.ts';

/** Something in a log that is not what the product wrote. */
export interface Finding {
  readonly kind:
    | 'position_missing'
    | 'position_altered'
    | 'event_missing'
    | 'event_altered'
    | 'chain_broken'
    | 'tile_differs'
    | 'fork';
  /** The position where it shows; of a fork the size of the earlier checkpoint. */
  readonly pos: number;
  readonly detail: Readonly<Record<string, string | number>>;
}

export const BEGINNING = Buffer.alloc(32);
const LEAF = Buffer.from([0]);

/**
 * Checks that the positions `first` to `first + count - 1` are all there, that each names the one before by its hash
 * (`before`: the hash of the position before the first), and that each event's bytes have the hash that stands at its
 * position. Answers the leaf hashes, or the first thing that is wrong. Up to the position `prunedUpTo` events may be
 * gone.
 */
export function checkLogged(
  rows: readonly LoggedRow[],
  first: number,
  count: number,
  before: Buffer,
  prunedUpTo = 0,
): { hashes: Buffer[] } | { finding: Finding; hashes: Buffer[] } {
  const hashes: Buffer[] = [];
  let previous = before;
  for (let i = 0; i < count; i += 1) {
    const pos = first + i;
    const row = rows[i];
    const wrong = (kind: Finding['kind'], detail: Finding['detail'] = {}) => ({
      finding: { kind, pos, detail },
      hashes,
    });
    if (!row || Number(row.pos) !== pos) return wrong('position_missing');
    if (row.leaf === null && pos > prunedUpTo)
      return wrong('event_missing', { leafHash: row.leaf_hash.toString('hex') });
    const computed = row.leaf === null ? row.leaf_hash : sha256(Buffer.concat([LEAF, Buffer.from(row.leaf)]));
    if (!computed.equals(row.leaf_hash)) {
      // Where the event still agrees with its own hash, it is the position that says another.
      const agrees = row.event_hash?.equals(computed) === true;
      return wrong(agrees ? 'position_altered' : 'event_altered', {
        leafHash: row.leaf_hash.toString('hex'),
        computed: computed.toString('hex'),
      });
    }
    if (!row.prev_hash.equals(previous)) {
      return wrong('chain_broken', {
        prevHash: row.prev_hash.toString('hex'),
        before: previous.toString('hex'),
      });
    }
    hashes.push(row.leaf_hash);
    previous = row.leaf_hash;
  }
  return { hashes };
}
