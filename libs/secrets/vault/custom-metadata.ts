import { isId } from '#kernel';
import { SecretFault } from '../secrets.faults.ts';

/** What custom_metadata of a secret says of it. */
export interface Told {
  readonly id: string | undefined;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Where the secret as a whole is hidden: since when, and which versions were hidden with it. */
  readonly deletedAt: Date | undefined;
  readonly deletedVersions: readonly number[];
  /** What is not ours, and is kept as it is. */
  readonly others: Readonly<Record<string, string>>;
}

const OURS = 'portcullis.';
const TAG = `${OURS}tag.`;
const MAX_BYTES = 512;

export const nothingTold: Told = {
  id: undefined,
  description: '',
  tags: {},
  deletedAt: undefined,
  deletedVersions: [],
  others: {},
};

/** The server keeps 64 printable texts of 1 to 512 bytes. Fault: `secrets.too_long`. */
export function printTold({
  id,
  description,
  tags,
  deletedAt,
  deletedVersions,
  others,
}: Told): Record<string, string> {
  const errors: { path: string; message: string }[] = [];
  const text = (path: string, value: string): string => {
    const printed = printText(value);
    if (Buffer.byteLength(printed) > MAX_BYTES)
      errors.push({ path, message: `must have at most ${MAX_BYTES} bytes in this store` });
    return printed;
  };
  const tagged = Object.entries(tags).map(([name, value]) => [TAG + name, text(`tags.${name}`, value)]);
  const told = {
    ...others,
    ...(id !== undefined && { [`${OURS}id`]: id }),
    ...(description !== '' && { [`${OURS}description`]: text('description', description) }),
    ...(Object.fromEntries(tagged) as Record<string, string>),
    ...(deletedAt && { [`${OURS}deleted_at`]: deletedAt.toISOString() }),
    ...(deletedVersions.length > 0 && { [`${OURS}deleted_versions`]: printVersions(deletedVersions) }),
  };
  if (errors.length > 0) throw SecretFault.too_long({ errors });
  return told;
}

/** What others wrote there is taken as far as it can be read. */
export function readTold(custom: Readonly<Record<string, unknown>>): Told {
  const texts = Object.entries(custom).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  const all = Object.fromEntries(texts);
  const id = all[`${OURS}id`];
  const deletedAt = new Date(all[`${OURS}deleted_at`] ?? '');
  const tags = texts.filter(([name]) => name.startsWith(TAG));
  return {
    id: id !== undefined && isId(id) ? id : undefined,
    description: readText(all[`${OURS}description`] ?? ''),
    tags: Object.fromEntries(tags.map(([name, value]) => [name.slice(TAG.length), readText(value)])),
    // What is no time hides it all the same.
    deletedAt: `${OURS}deleted_at` in all ? validTime(deletedAt) : undefined,
    deletedVersions: readVersions(all[`${OURS}deleted_versions`] ?? ''),
    others: Object.fromEntries(texts.filter(([name]) => !name.startsWith(OURS))),
  };
}

/** As JSON text, for that has a way to write what cannot be printed, and is never empty. */
function printText(text: string): string {
  return JSON.stringify(text).replaceAll(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, (character) =>
    Array.from({ length: character.length }, (_, at) => {
      return String.raw`\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`;
    }).join(''),
  );
}

function readText(text: string): string {
  try {
    const read: unknown = JSON.parse(text);
    return typeof read === 'string' ? read : text;
  } catch {
    return text;
  }
}

/** `1-3,5`: a hundred of them fit where they are neighbours, as they are. */
function printVersions(versions: readonly number[]): string {
  const ranges: [from: number, to: number][] = [];
  for (const version of [...versions].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last?.[1] === version - 1) last[1] = version;
    else ranges.push([version, version]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}

function readVersions(text: string): number[] {
  return text.split(',').flatMap((range) => {
    const [, from, to = from] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(range) ?? [];
    const length = Number(to) - Number(from) + 1;
    if (from === undefined || length < 1 || length > 1_000) return [];
    return Array.from({ length }, (_, at) => Number(from) + at);
  });
}

function validTime(time: Date): Date {
  return Number.isNaN(time.getTime()) ? new Date(0) : time;
}
