import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { sha256 } from '#kernel';

/**
 * DSSE envelopes (secure-systems-lab/dsse, protocol.md v1.0.2): a payload signed over its pre-authentication encoding,
 * so that a signature is of the bytes and of what they are.
 */

export const IN_TOTO = 'application/vnd.in-toto+json';

export interface Signature {
  readonly keyid: string;
  /** Base64. */
  readonly sig: string;
}

export interface Envelope {
  readonly payloadType: string;
  /** Base64. */
  readonly payload: string;
  readonly signatures: readonly Signature[];
}

export type Algorithm = 'ed25519' | 'ecdsa-p256';

export interface TrustedKey {
  readonly keyid: string;
  readonly algorithm: Algorithm;
  readonly publicKey: KeyObject;
}

/** `DSSEv1 SP LEN(type) SP type SP LEN(body) SP body`; lengths are of bytes, in ASCII decimal. */
export function preAuthentication(type: string, body: Buffer): Buffer {
  const typed = Buffer.from(type, 'utf8');
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${typed.length} `),
    typed,
    Buffer.from(` ${body.length} `),
    body,
  ]);
}

/** SHA-256 of the public key (SubjectPublicKeyInfo, DER), hex. */
export function keyIdOf(publicKey: KeyObject): string {
  return sha256(publicKey.export({ type: 'spki', format: 'der' })).toString('hex');
}

/** A public key as PEM, of a kind that is trusted; undefined for anything else, a private key among it. */
export function readPublicKey(pem: string): TrustedKey | undefined {
  if (!pem.trim().startsWith('-----BEGIN PUBLIC KEY-----')) return undefined;
  try {
    const publicKey = createPublicKey(pem);
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey;
    const algorithm: Algorithm | undefined =
      type === 'ed25519'
        ? 'ed25519'
        : type === 'ec' && details?.namedCurve === 'prime256v1'
          ? 'ecdsa-p256'
          : undefined;
    return algorithm && { keyid: keyIdOf(publicKey), algorithm, publicKey };
  } catch {
    return undefined;
  }
}

/** Signed with an Ed25519 key. */
export function signEnvelope(body: Buffer, privateKey: KeyObject, keyid: string): Envelope {
  const signature = sign(null, preAuthentication(IN_TOTO, body), privateKey);
  return {
    payloadType: IN_TOTO,
    payload: body.toString('base64'),
    signatures: [{ keyid, sig: signature.toString('base64') }],
  };
}

/**
 * The first of these keys by which a signature of the envelope holds; undefined where none does, or where one that names
 * one of these keys does not: such a signature was altered, or never made.
 */
export function signerOf(envelope: Envelope, keys: readonly TrustedKey[]): TrustedKey | undefined {
  const body = decode(envelope.payload);
  if (body === undefined || envelope.payloadType !== IN_TOTO) return undefined;
  const signed = preAuthentication(envelope.payloadType, body);
  let signer: TrustedKey | undefined;
  for (const { keyid, sig } of envelope.signatures) {
    // The key id is only a hint (protocol.md, "keyid"): it says which key to try, never that it signed.
    const key = keys.find((one) => one.keyid === keyid);
    if (!key) continue;
    const signature = decode(sig);
    if (signature === undefined || !holds(key, signed, signature)) return undefined;
    signer ??= key;
  }
  return signer;
}

/** ECDSA signatures are DER, over SHA-256. */
function holds({ algorithm, publicKey }: TrustedKey, signed: Buffer, signature: Buffer): boolean {
  try {
    return verify(algorithm === 'ed25519' ? null : 'sha256', signed, publicKey, signature);
  } catch {
    return false;
  }
}

/** Standard, or safe in URLs; with all its padding, or with none. */
const BASE64 = [
  /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/,
  /^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}(?:==)?|[A-Za-z0-9_-]{3}=?)?$/,
];

/** Base64 (RFC 4648), of one alphabet; undefined for what only looks like it, and for nothing. */
export function decode(text: string): Buffer | undefined {
  if (text === '' || !BASE64.some((alphabet) => alphabet.test(text))) return undefined;
  const bytes = Buffer.from(text, 'base64');
  const plain = (one: string): string => one.replace(/=+$/, '').replaceAll('-', '+').replaceAll('_', '/');
  // Bits beyond the last byte must be none.
  return plain(bytes.toString('base64')) === plain(text) ? bytes : undefined;
}
