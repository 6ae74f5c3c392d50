import { createHash, createSign, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';

/** What an authenticator may get wrong, or say otherwise. */
export interface Deviation {
  origin?: string;
  rpId?: string;
  userVerified?: boolean;
  challenge?: string;
  /** The signature counter of this answer. */
  counter?: number;
  /** A passkey that is synchronized between devices. */
  synced?: boolean;
  userHandle?: string | null;
}

interface CreationOptions {
  challenge: string;
  rp: { id: string };
  user: { id: string };
}

interface RequestOptions {
  challenge: string;
  rpId: string;
}

/**
 * A WebAuthn authenticator with one ES256 credential (WebAuthn level 3, section 6), for specs in the process. It
 * encodes by itself, so that it shares no code with what verifies it; the browser in test/system is the real one.
 */
export class SoftAuthenticator {
  readonly id = randomBytes(32);
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  counter = 0;
  #user = '';

  constructor(
    private readonly origin: string,
    private readonly usual: Deviation = {},
  ) {}

  /** RegistrationResponseJSON. */
  register(options: object, given: Deviation = {}): object {
    const { challenge, rp, user } = options as CreationOptions;
    this.#user = user.id;
    const how = { ...this.usual, ...given };
    const credential = Buffer.concat([
      Buffer.alloc(16), // no AAGUID
      uint16(this.id.length),
      this.id,
      coseKey(this.#keys.publicKey),
    ]);
    const authData = Buffer.concat([this.#head(how.rpId ?? rp.id, how, 0x40), credential]);
    const attestationObject = map([
      [text('fmt'), text('none')],
      [text('attStmt'), map([])],
      [text('authData'), bytes(authData)],
    ]);
    return this.#answer({
      clientDataJSON: this.#clientData('webauthn.create', challenge, how),
      attestationObject: attestationObject.toString('base64url'),
      transports: ['internal'],
    });
  }

  /** AuthenticationResponseJSON. */
  sign(options: object, given: Deviation = {}): object {
    const { challenge, rpId } = options as RequestOptions;
    const how = { ...this.usual, ...given };
    if (how.counter === undefined && this.counter > 0) this.counter += 1;
    const authData = this.#head(how.rpId ?? rpId, how, 0);
    const clientDataJSON = this.#clientData('webauthn.get', challenge, how);
    const signature = createSign('sha256')
      .update(authData)
      .update(createHash('sha256').update(Buffer.from(clientDataJSON, 'base64url')).digest())
      .sign(this.#keys.privateKey);
    const userHandle = how.userHandle === undefined ? this.#user : how.userHandle;
    return this.#answer({
      clientDataJSON,
      authenticatorData: authData.toString('base64url'),
      signature: signature.toString('base64url'),
      ...(userHandle !== null && { userHandle }),
    });
  }

  #answer(response: object): object {
    const id = this.id.toString('base64url');
    return { id, rawId: id, type: 'public-key', clientExtensionResults: {}, response };
  }

  #head(rpId: string, { userVerified = true, counter, synced = false }: Deviation, flags: number): Buffer {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(counter ?? this.counter);
    const shown = flags | 0x01 | (userVerified ? 0x04 : 0) | (synced ? 0x18 : 0);
    return Buffer.concat([createHash('sha256').update(rpId).digest(), Buffer.of(shown), count]);
  }

  #clientData(type: string, challenge: string, how: Deviation): string {
    const data = { type, challenge: how.challenge ?? challenge, origin: how.origin ?? this.origin };
    return Buffer.from(JSON.stringify({ ...data, crossOrigin: false })).toString('base64url');
  }
}

/** RFC 9052, of an ES256 key. */
function coseKey(key: KeyObject): Buffer {
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  return map([
    [whole(1), whole(2)],
    [whole(3), whole(-7)],
    [whole(-1), whole(1)],
    [whole(-2), bytes(Buffer.from(x, 'base64url'))],
    [whole(-3), bytes(Buffer.from(y, 'base64url'))],
  ]);
}

// ---- CBOR (RFC 8949), as much as this needs ----

function head(major: number, value: number): Buffer {
  if (value < 24) return Buffer.of((major << 5) | value);
  return value < 256
    ? Buffer.of((major << 5) | 24, value)
    : Buffer.concat([Buffer.of((major << 5) | 25), uint16(value)]);
}

const whole = (value: number): Buffer => (value < 0 ? head(1, -1 - value) : head(0, value));
const bytes = (value: Buffer): Buffer => Buffer.concat([head(2, value.length), value]);
const text = (value: string): Buffer => Buffer.concat([head(3, value.length), Buffer.from(value)]);
const map = (pairs: [Buffer, Buffer][]): Buffer => Buffer.concat([head(5, pairs.length), ...pairs.flat()]);

function uint16(value: number): Buffer {
  const two = Buffer.alloc(2);
  two.writeUInt16BE(value);
  return two;
}
