import { SecretFault } from './secrets.faults.ts';

/** What names a field of a secret, in the organization that the reference is used in. */
export interface SecretReference {
  readonly path: string;
  readonly field: string;
  /** The newest version where unsaid. */
  readonly version?: number;
}

/** 1 to 16 segments. None begins with a dot, so that none is `.` or `..`; nothing is decoded, so nothing hides. */
const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/;
const MAX_SEGMENTS = 16;
const MAX_PATH = 255;
const REFERENCE = /^secret:\/\/([^#@]+)#([^#@/]+)(?:@([1-9]\d{0,8}))?$/;
const MAX_REFERENCE = 400;

/** What is wrong with a path, or undefined. */
export function pathFault(path: string): string | undefined {
  if (path.length > MAX_PATH) return `must have at most ${MAX_PATH} characters`;
  const segments = path.split('/');
  if (segments.length > MAX_SEGMENTS) return `must have at most ${MAX_SEGMENTS} segments`;
  return segments.every((segment) => SEGMENT.test(segment) && !segment.includes('..'))
    ? undefined
    : 'must be segments of A-Z a-z 0-9 . _ - (1 to 64, no dot first, no two dots), with / between them';
}

/** What is wrong with the name of a field, or undefined. */
export function fieldFault(name: string): string | undefined {
  return SEGMENT.test(name) && !name.includes('..')
    ? undefined
    : 'must be named by A-Z a-z 0-9 . _ - (1 to 64, no dot first, no two dots)';
}

/** The reference that a text is, or undefined. What parses prints back the same. */
export function readReference(text: string): SecretReference | undefined {
  if (text.length > MAX_REFERENCE) return undefined;
  const [, path = '', field = '', version] = REFERENCE.exec(text) ?? [];
  if (pathFault(path) !== undefined || fieldFault(field) !== undefined) return undefined;
  return version === undefined ? { path, field } : { path, field, version: Number(version) };
}

/** The same. Fault: `secrets.bad_reference`, which does not repeat the text: it may be a secret put there instead. */
export function parseReference(text: string): SecretReference {
  const reference = readReference(text);
  if (!reference) throw SecretFault.bad_reference();
  return reference;
}

export function printReference({ path, field, version }: SecretReference): string {
  return `secret://${path}#${field}${version === undefined ? '' : `@${version}`}`;
}
