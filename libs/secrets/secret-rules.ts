import type { InputError } from '#kernel';
import { fieldFault, pathFault } from './reference.ts';
import type { Fields } from './secret-store.ts';
import { SecretFault } from './secrets.faults.ts';

const MAX_FIELDS = 64;
const MAX_BYTES = 64 * 1024;
const MAX_TAGS = 32;
const MAX_TAG = 256;

/** Fault: `secrets.bad_path`. */
export function requirePath(path: string): void {
  const message = pathFault(path);
  if (message !== undefined) throw SecretFault.bad_path({ errors: [{ path: 'path', message }] });
}

/**
 * 1 to 64 named texts of 64 KiB together. Fault: `secrets.bad_fields`, which says where and never what: a name that
 * breaks the rule is not repeated, for it may be a value in the wrong place.
 */
export function requireFields(fields: Readonly<Record<string, unknown>>): asserts fields is Fields {
  const entries = Object.entries(fields);
  const errors: InputError[] = [];
  const fault = (message: string, path = 'fields'): void => void errors.push({ path, message });
  if (entries.length < 1 || entries.length > MAX_FIELDS) fault(`must have from 1 to ${MAX_FIELDS} fields`);
  let bytes = 0;
  for (const [index, [name, value]] of entries.slice(0, MAX_FIELDS).entries()) {
    const wrong = fieldFault(name);
    if (wrong !== undefined) fault(`the field number ${index + 1} ${wrong}`);
    else if (typeof value !== 'string' || !value.isWellFormed()) fault('must be text', `fields.${name}`);
    else bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (bytes > MAX_BYTES) fault(`must have at most ${MAX_BYTES} bytes together`);
  if (errors.length > 0) throw SecretFault.bad_fields({ errors });
}

/** At most 32 named texts of 256 characters. Fault: `secrets.bad_tags`. */
export function requireTags(
  tags: Readonly<Record<string, unknown>>,
): asserts tags is Readonly<Record<string, string>> {
  const entries = Object.entries(tags);
  const good = entries.every(
    ([name, value]) =>
      fieldFault(name) === undefined &&
      typeof value === 'string' &&
      value.isWellFormed() &&
      !value.includes('\0') &&
      value.length <= MAX_TAG,
  );
  if (entries.length <= MAX_TAGS && good) return;
  const message = `must be at most ${MAX_TAGS} texts of ${MAX_TAG} characters, each with a name like that of a field`;
  throw SecretFault.bad_tags({ errors: [{ path: 'tags', message }] });
}
