import canonicalize from 'canonicalize';

/** A value that JSON can hold. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json | undefined };

/** The JSON Canonicalization Scheme (RFC 8785): one text per value, so that a digest of it means the value. */
export function canonicalJson(value: Json): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError('a value without a JSON form has no canonical JSON');
  return text;
}
