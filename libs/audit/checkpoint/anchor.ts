import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { isId } from '#kernel';
import type { Finding } from '../tree/log-check.ts';
import type { Tree } from '../tree/tree.ts';
import type { TreeHead } from './note.ts';

/**
 * The anchor: a directory out of the database's reach where the latest checkpoint of each log lies
 * (`<organization>.checkpoint`, replaced as a whole) beside all that were ever published
 * (`<organization>.history.ndjson`, only appended to).
 */
export class AnchorDirectory {
  constructor(private readonly directory: string) {}

  /** Organizations that have an anchored checkpoint. */
  async orgIds(): Promise<string[]> {
    const names = await readdir(this.directory).catch(emptyWhereMissing<string[]>([]));
    return names
      .filter((name) => name.endsWith(SUFFIX))
      .map((name) => name.slice(0, -SUFFIX.length))
      .filter(isId);
  }

  /** The note that was published last; undefined where none ever was. */
  async read(orgId: string): Promise<string | undefined> {
    return readFile(this.#file(orgId), 'utf8').catch(emptyWhereMissing<string | undefined>(undefined));
  }

  /** Durable when it resolves. A crash leaves the one before or this one, never half of it. */
  async publish(orgId: string, note: string): Promise<void> {
    await mkdir(this.directory, { recursive: true });
    const line = `${JSON.stringify({ publishedAt: new Date().toISOString(), note })}\n`;
    await writeDurably(join(this.directory, `${orgId}.history.ndjson`), 'a', line);
    const file = this.#file(orgId);
    await writeDurably(`${file}.new`, 'w', note);
    await rename(`${file}.new`, file);
    // Windows knows no directories that are synced.
    if (process.platform === 'win32') return;
    const directory = await open(this.directory, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }

  #file(orgId: string): string {
    return join(this.directory, `${orgId}${SUFFIX}`);
  }
}

/**
 * What the log says to a checkpoint of it that was anchored (or issued) before: nothing where it still begins with
 * what was signed then; a fork where it is shorter, or is another log.
 */
export async function compareWithAnchor(
  tree: Tree,
  anchored: Pick<TreeHead, 'size' | 'root'>,
): Promise<Finding | undefined> {
  const fork = (detail: Finding['detail']): Finding => ({ kind: 'fork', pos: anchored.size, detail });
  const signed = anchored.root.toString('hex');
  if (tree.size < anchored.size) return fork({ signedRoot: signed, size: tree.size });
  const root = await tree.rootAt(anchored.size);
  if (!root.equals(anchored.root)) return fork({ signedRoot: signed, root: root.toString('hex') });
  return undefined;
}

const SUFFIX = '.checkpoint';

async function writeDurably(path: string, flag: 'a' | 'w', text: string): Promise<void> {
  const file = await open(path, flag, 0o640);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

function emptyWhereMissing<T>(empty: T): (error: unknown) => T {
  return (error) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return empty;
    throw error;
  };
}
