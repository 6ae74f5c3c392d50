import { MerkleTree } from './merkle.ts';

export type ProblemKind =
  | 'malformed'
  | 'missing'
  | 'altered'
  | 'reordered'
  | 'duplicate'
  | 'forked'
  | 'chain broken'
  | 'commitment mismatch'
  | 'wrong root'
  | 'short'
  | 'too long'
  | 'unproven'
  | 'unexpected organization';

/** A root that the log had at a size, by somebody's word: a signed checkpoint, or the operator's own. */
export interface KnownRoot {
  readonly size: number;
  /** Hex. */
  readonly root: string;
}

export const NO_HASH = '0'.repeat(64);
const KEPT_GAPS = 1000;
/** So many leaf hashes are remembered, to tell a line that stands twice from another one at its position. */
const KEPT_HASHES = 65_536;

export interface LogStart {
  /** The position before the first that is to come; 0 at the beginning. */
  readonly pos: number;
  /** Its leaf hash; where it is not known, that which the first line names. */
  readonly hash: string | undefined;
  /** That it is the last of the tree of its size; undefined where no root is to be reached. */
  readonly proof: readonly string[] | undefined;
}

type Report = (kind: ProblemKind, pos: number, detail: string) => void;

/** The place of each line in one log: that each position stands there once, in order, after the one before. */
export class LogCheck {
  lines = 0;
  erased = 0;
  lastPos: number;
  lastHash: string;
  /** Roots that these lines lead to, so far. */
  readonly reached: KnownRoot[] = [];

  #tree = new MerkleTree();
  #start: LogStart | undefined;
  readonly #known: KnownRoot[];
  readonly #report: Report;
  #next: number;
  #problems = 0;
  #provenTo: number;
  /** Positions passed over and not seen since: [first, last]. */
  readonly #gaps: [first: number, last: number][] = [];
  readonly #hashes: string[] = [];
  /** Roots that are not as they are known: told last, for they follow from what is told before. */
  readonly #differing: [kind: ProblemKind, pos: number, detail: string][] = [];

  /** `known`: in any order. */
  constructor(start: LogStart, known: readonly KnownRoot[], report: Report) {
    this.#start = start;
    this.lastPos = start.pos;
    this.#provenTo = start.pos;
    this.#next = start.pos + 1;
    this.lastHash = start.hash ?? NO_HASH;
    this.#known = known.toSorted((a, b) => a.size - b.size);
    this.#report = (kind, pos, detail) => {
      this.#problems += 1;
      report(kind, pos, detail);
    };
  }

  /** A line that has been read: `recomputed` is the hash of its bytes, whatever it says itself. */
  line(pos: number, leafHash: string, prevHash: string, recomputed: string): void {
    this.lines += 1;
    if (this.#start !== undefined) this.#begin(this.#start, prevHash);
    if (recomputed !== leafHash) {
      this.#report('altered', pos, `its hash is ${recomputed} and not leafHash ${leafHash}`);
    }
    if (pos < this.#next) return this.#late(pos, recomputed);
    if (pos > this.#next) this.#passOver(this.#next, pos - 1);
    else if (prevHash !== this.lastHash) {
      this.#report('chain broken', pos, `prevHash is ${prevHash}, the line before has ${this.lastHash}`);
    }
    this.#tree.append(recomputed);
    this.#hashes[pos % KEPT_HASHES] = recomputed;
    this.#next = pos + 1;
    this.lastPos = pos;
    this.lastHash = leafHash;
    while (this.#known[0] !== undefined && this.#known[0].size <= pos) this.#compare();
  }

  problem(kind: ProblemKind, pos: number, detail: string): void {
    this.#report(kind, pos, detail);
  }

  root(): string {
    return this.#tree.root();
  }

  /** Tells what is missing in the end, within and behind. */
  end(): void {
    for (const [first, last] of this.#gaps) {
      const which = first === last ? `position ${first} is` : `positions ${first} to ${last} are`;
      this.#report('missing', first, `${which} not here`);
    }
    while (this.#known[0] !== undefined && this.#known[0].size <= this.lastPos) this.#compare();
    for (const [kind, pos, detail] of this.#differing) this.#report(kind, pos, detail);
    const last = this.#known.at(-1);
    if (last) {
      this.#report('short', this.lastPos + 1, `ends at position ${this.lastPos}, the tree has ${last.size}`);
    }
  }

  #begin({ pos, hash, proof }: LogStart, prevHash: string): void {
    this.#start = undefined;
    if (pos === 0) return;
    this.lastHash = hash ?? prevHash;
    try {
      if (proof) this.#tree = MerkleTree.continued(pos, this.lastHash, proof);
    } catch (error) {
      this.#report(
        'unproven',
        pos,
        `what is given as its proof ${error instanceof Error ? error.message : ''}`,
      );
    }
    while (this.#known[0] !== undefined && this.#known[0].size <= pos) this.#compare();
  }

  #compare(): void {
    const { size, root } = this.#known.shift() as KnownRoot;
    const found = this.#tree.size === size ? this.#tree.root() : undefined;
    if (found === root) {
      this.reached.push({ size, root });
      this.#provenTo = size;
      return;
    }
    const says = found === undefined ? 'cannot be computed' : `is ${found} and not ${root}`;
    if (this.#problems > 0) {
      this.#differing.push(['wrong root', size, `the root of these lines at size ${size} ${says}`]);
      return;
    }
    // Every line agrees with its hash and with the one before: it is another history than the one that was signed.
    const from = this.#provenTo + 1;
    const where = from >= size ? `at position ${size}` : `between positions ${from} and ${size}`;
    this.#problems += 1;
    this.#differing.push(['forked', size, `these lines part ${where} from what is known: the root ${says}`]);
  }

  #late(pos: number, recomputed: string): void {
    const after = `stands after position ${this.#next - 1}`;
    if (this.#takeFromGap(pos)) {
      // It is in the tree, though not in its place, so that no later root will be right.
      this.#tree.append(recomputed);
      return this.#report('reordered', pos, after);
    }
    const before = this.#hashes[pos % KEPT_HASHES];
    const isRemembered = pos > this.#next - 1 - KEPT_HASHES;
    if (isRemembered && before !== undefined && before !== recomputed) {
      return this.#report(
        'forked',
        pos,
        `is here twice: once with the hash ${before}, once with ${recomputed}`,
      );
    }
    this.#report('duplicate', pos, after);
  }

  #passOver(first: number, last: number): void {
    if (this.#gaps.length < KEPT_GAPS) {
      this.#gaps.push([first, last]);
      // Counted, though it is told in the end, when it is known what came late.
      this.#problems += 1;
    } else this.#report('missing', first, `positions ${first} to ${last} are not here`);
  }

  /** True where this position was passed over before: then it is late and no longer missing. */
  #takeFromGap(pos: number): boolean {
    const index = this.#gaps.findIndex(([first, last]) => first <= pos && pos <= last);
    const gap = this.#gaps[index];
    if (gap === undefined) return false;
    const [first, last] = gap;
    const rest: [number, number][] = [];
    if (first < pos) rest.push([first, pos - 1]);
    if (pos < last) rest.push([pos + 1, last]);
    this.#gaps.splice(index, 1, ...rest);
    return true;
  }
}
