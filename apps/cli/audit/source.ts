import { createReadStream } from 'node:fs';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { Unreachable } from '../command.ts';
import { reasonOf } from './server.ts';

const CHUNK = 1 << 18;

/** The bytes of a file, or of the input where it is `-`; unpacked where they are gzip. */
export async function* bytesOf(file: string, input: Readable): AsyncGenerator<Uint8Array> {
  try {
    const raw = file === '-' ? input : createReadStream(file, { highWaterMark: CHUNK });
    const chunks: AsyncIterator<Uint8Array> = raw[Symbol.asyncIterator]();
    const first = await chunks.next();
    if (first.done === true) return;
    const all = continued(first.value, chunks);
    if (first.value[0] === 0x1f && first.value[1] === 0x8b) yield* unpacked(all);
    else yield* all;
  } catch (error) {
    if (error instanceof Unreachable) throw error;
    throw new Unreachable(`${file === '-' ? 'the input' : file} cannot be read: ${reasonOf(error)}`);
  }
}

async function* continued(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

async function* unpacked(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const plain = new PassThrough({ highWaterMark: CHUNK });
  // A fault of the packing comes out of `plain`, which the pipeline destroys with it.
  const done = pipeline(packed, createGunzip({ chunkSize: CHUNK }), plain).catch(() => undefined);
  for await (const chunk of plain) yield chunk as Uint8Array;
  await done;
}
