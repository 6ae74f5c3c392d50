import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DeliveryFailure } from '#egress';
import { Receiver, type SinkEvent } from '../delivery.ts';
import type { ReceiverParts } from '../receiver-parts.ts';

const ROTATE_BYTES = 100 * 1024 * 1024;
const LINE_FEED = 0x0a;
const LOOK_BACK = 65_536;

/**
 * A file a log below the operator's directory: `<folder>/<organization>.log`, put aside at its size as
 * `<organization>.<last position>.log`. Lines are on the disk when they count. What a full disk or a crash left half
 * written is cut off before anything is added.
 */
export class FileReceiver extends Receiver {
  #file: FileHandle | undefined;
  #size = 0;
  #last = 0;

  constructor(
    private readonly parts: ReceiverParts<'file'>,
    private readonly openFile: (path: string) => Promise<FileHandle> = openForAppending,
  ) {
    super();
  }

  override async deliver(events: readonly SinkEvent[], signal: AbortSignal): Promise<void> {
    // What is under way at a disk cannot be called back; nothing new is begun.
    signal.throwIfAborted();
    const file = (this.#file ??= await this.#open(events));
    const bytes = Buffer.from(events.map(({ line }) => `${line}\n`).join(''));
    try {
      await file.appendFile(bytes);
      await file.datasync();
    } catch (error) {
      await file.truncate(this.#size).catch(() => undefined);
      await this.close();
      throw error;
    }
    this.#size += bytes.length;
    this.#last = Math.max(this.#last, ...events.map(({ pos }) => pos));
    if (this.#last > 0 && this.#size >= (this.parts.settings.rotateBytes ?? ROTATE_BYTES))
      await this.#rotate();
  }

  override async close(): Promise<boolean> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => undefined);
    return false;
  }

  async #open(events: readonly SinkEvent[]): Promise<FileHandle> {
    const { fileDir } = this.parts;
    if (fileDir === undefined) throw new DeliveryFailure('file_sinks_closed');
    await mkdir(this.#folder, { recursive: true, mode: 0o750 });
    const file = await this.openFile(this.#path(events.some(({ test }) => test)));
    try {
      const { size } = await file.stat();
      this.#size = await wholeLines(file, size);
      if (this.#size < size) await file.truncate(this.#size);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get #folder(): string {
    return join(this.parts.fileDir ?? '', this.parts.settings.folder);
  }

  #path(test: boolean): string {
    return join(this.#folder, `${this.parts.logOrgId}${test ? '.test' : ''}.log`);
  }

  async #rotate(): Promise<void> {
    await this.close();
    const { logOrgId, settings } = this.parts;
    // By its last position, filled up: names in order are files in order. Sent again, it is the same name.
    const last = String(this.#last).padStart(16, '0');
    const aside = join(this.#folder, `${logOrgId}.${last}.log`);
    await rename(this.#path(false), aside);
    if (settings.keep === undefined) return;
    const pattern = new RegExp(`^${logOrgId}\\.\\d{16}\\.log$`);
    const old = (await readdir(this.#folder)).filter((name) => pattern.test(name)).sort();
    for (const name of old.slice(0, -settings.keep)) await rm(join(this.#folder, name), { force: true });
  }
}

function openForAppending(path: string): Promise<FileHandle> {
  return open(path, 'a+', 0o640);
}

/** Bytes up to the end of the last whole line. */
async function wholeLines(file: FileHandle, size: number): Promise<number> {
  for (let end = size; end > 0; end -= LOOK_BACK) {
    const from = Math.max(0, end - LOOK_BACK);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(end - from), 0, end - from, from);
    const at = buffer.subarray(0, bytesRead).lastIndexOf(LINE_FEED);
    if (at >= 0) return from + at + 1;
  }
  return 0;
}
