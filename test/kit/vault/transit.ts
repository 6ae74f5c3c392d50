import {
  createCipheriv,
  createDecipheriv,
  generateKeyPairSync,
  type KeyPairKeyObjectResult,
  randomBytes,
  sign,
} from 'node:crypto';
import {
  data,
  error,
  nothing,
  notFound,
  unsupported,
  type VaultAnswer,
  type VaultRequest,
} from './answer.ts';

interface TransitKey {
  readonly type: string;
  readonly versions: (Buffer | KeyPairKeyObjectResult)[];
}

/** The transit engine: AES-256-GCM to encrypt, Ed25519 to sign. */
export class TransitEngine {
  readonly #keys = new Map<string, TransitKey>();

  handle({ method, path, body }: VaultRequest): VaultAnswer {
    const [area = '', name = '', more] = path.split('/');
    const key = this.#keys.get(name);
    if (area === 'keys' && method === 'POST' && more === undefined) {
      this.#keys.set(
        name,
        key ?? {
          type: body['type'] === 'ed25519' ? 'ed25519' : 'aes256-gcm96',
          versions: [material(body['type'])],
        },
      );
      return nothing;
    }
    if (!key) {
      if (area === 'keys') return notFound;
      return error(400, area === 'sign' ? 'signing key not found' : 'encryption key not found');
    }
    if (area === 'keys') return method === 'GET' ? told(name, key) : this.#rotate(key, more);
    if (method !== 'POST') return unsupported;
    if (area === 'encrypt') return data({ ciphertext: encrypt(key, String(body['plaintext'])) });
    if (area === 'decrypt') return decrypted(key, String(body['ciphertext']));
    if (area === 'sign') return signed(key, body);
    return unsupported;
  }

  #rotate(key: TransitKey, more: string | undefined): VaultAnswer {
    if (more !== 'rotate') return unsupported;
    key.versions.push(material(key.type));
    return nothing;
  }
}

function material(type: unknown): Buffer | KeyPairKeyObjectResult {
  return type === 'ed25519' ? generateKeyPairSync('ed25519') : randomBytes(32);
}

function told(name: string, { type, versions }: TransitKey): VaultAnswer {
  const keys = versions.map((version, index) => {
    const made = Buffer.isBuffer(version)
      ? 1_442_851_412
      : {
          creation_time: '2026-01-01T00:00:00Z',
          name: 'ed25519',
          public_key: version.publicKey
            .export({ format: 'der', type: 'spki' })
            .subarray(-32)
            .toString('base64'),
        };
    return [index + 1, made] as const;
  });
  return data({
    name,
    type,
    derived: false,
    exportable: false,
    keys: Object.fromEntries(keys),
    latest_version: versions.length,
  });
}

function encrypt({ versions }: TransitKey, plaintext: string): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', versions.at(-1) as Buffer, nonce);
  const sealed = Buffer.concat([
    nonce,
    cipher.update(Buffer.from(plaintext, 'base64')),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  return `vault:v${versions.length}:${sealed.toString('base64')}`;
}

function decrypted({ versions }: TransitKey, ciphertext: string): VaultAnswer {
  const [, number, text] = /^vault:v(\d+):(.+)$/.exec(ciphertext) ?? [];
  const key = versions[Number(number) - 1];
  if (!Buffer.isBuffer(key) || text === undefined) return error(400, 'invalid ciphertext: no prefix');
  const bytes = Buffer.from(text, 'base64');
  try {
    const cipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12)).setAuthTag(
      bytes.subarray(-16),
    );
    return data({
      plaintext: Buffer.concat([cipher.update(bytes.subarray(12, -16)), cipher.final()]).toString('base64'),
    });
  } catch {
    return error(400, 'cipher: message authentication failed');
  }
}

/** `input` in base64; by the newest version unless one is named. */
function signed(
  { versions }: TransitKey,
  { input, key_version: asked = 0 }: Record<string, unknown>,
): VaultAnswer {
  if (typeof input !== 'string' || !/^[A-Za-z0-9+/]+=*$/.test(input))
    return error(400, 'unable to decode input as base64');
  const number = Number(asked) || versions.length;
  if (number < 0) return error(400, 'cannot sign: requested version for signing is negative');
  if (number > versions.length)
    return error(400, 'requested version for signing is higher than the latest key version');
  const key = versions[number - 1];
  if (key === undefined || Buffer.isBuffer(key)) return error(400, 'key type does not support signing');
  const signature = sign(null, Buffer.from(input, 'base64'), key.privateKey).toString('base64');
  return data({ signature: `vault:v${number}:${signature}`, key_version: number });
}
