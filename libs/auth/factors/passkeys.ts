import { Injectable } from '@nestjs/common';
import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@simplewebauthn/server';
import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { AuthConfig } from '../auth.config.ts';
import { AuthFault } from '../auth.faults.ts';
import { CHALLENGE_SECONDS } from '../challenges/challenge.store.ts';

const NAME = 'Portcullis';
const CHALLENGE_BYTES = 32;
/** COSE (RFC 9053): EdDSA, ES256, RS256. Between them every authenticator has one. */
const ALGORITHMS = [-8, -7, -257];

/** A credential as far as a ceremony needs it. */
export interface Credential {
  /** base64url. */
  readonly id: string;
  readonly transports: readonly string[];
}

/** A credential as it was registered (WebAuthn level 3, section 4, credential record). */
export interface NewCredential extends Credential {
  /** COSE key, base64url. */
  readonly publicKey: string;
  readonly signCount: number;
  /** The model of the authenticator; zeros where it does not say. */
  readonly aaguid: string;
  /** It cannot leave the device it was made on. */
  readonly deviceBound: boolean;
  readonly backedUp: boolean;
}

/** What a right answer says. */
export interface Assertion {
  readonly signCount: number;
  readonly backedUp: boolean;
}

/** Options for the browser, and the challenge in them that the answer must hold. */
export interface Ceremony {
  readonly challenge: string;
  readonly options: object;
}

/** Loaded with the first ceremony: it brings a good deal of ASN.1 along, which most processes never need. */
const webauthn = (): Promise<typeof import('@simplewebauthn/server')> => import('@simplewebauthn/server');

/** The relying party of WebAuthn: its ceremonies, bound to the address where people reach this deployment. */
@Injectable()
export class Passkeys {
  /** Undefined where browsers would do no ceremony at all: at addresses that are no names, and without TLS. */
  readonly #party: { readonly id: string; readonly origin: string } | undefined;

  constructor(config: AuthConfig) {
    this.#party = partyOf(config.pagesAt);
  }

  get work(): boolean {
    return this.#party !== undefined;
  }

  /** Asks for one of these credentials; for any that the browser finds, where none are named. */
  async request(credentials: readonly Credential[]): Promise<Ceremony> {
    const { generateAuthenticationOptions } = await webauthn();
    const challenge = randomBytes(CHALLENGE_BYTES);
    const options = await generateAuthenticationOptions({
      rpID: this.#require().id,
      challenge: Uint8Array.from(challenge),
      timeout: CHALLENGE_SECONDS * 1_000,
      userVerification: 'required',
      allowCredentials: credentials.map(described),
    });
    return { challenge: options.challenge, options };
  }

  /** Asks for a new credential that is none of these. */
  async creation(
    person: { readonly id: string; readonly email: string; readonly name: string },
    existing: readonly Credential[],
  ): Promise<Ceremony> {
    const { generateRegistrationOptions } = await webauthn();
    const options = await generateRegistrationOptions({
      rpName: NAME,
      rpID: this.#require().id,
      userID: Uint8Array.from(Buffer.from(person.id)),
      userName: person.email,
      userDisplayName: person.name,
      challenge: Uint8Array.from(randomBytes(CHALLENGE_BYTES)),
      timeout: CHALLENGE_SECONDS * 1_000,
      attestationType: 'none',
      excludeCredentials: existing.map(described),
      supportedAlgorithmIDs: ALGORITHMS,
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
    });
    return { challenge: options.challenge, options };
  }

  /** Undefined where the answer is not right. Whether the counter went back is for the caller to see. */
  async assertion(
    answer: object,
    challenge: string,
    credential: { readonly id: string; readonly publicKey: string; readonly userId: string },
  ): Promise<Assertion | undefined> {
    const { id, origin } = this.#require();
    const response = answer as AuthenticationResponseJSON;
    try {
      // Section 7.2, step 6: the user handle, where there is one, is the owner's.
      const handle = response.response.userHandle;
      if (handle && Buffer.from(handle, 'base64url').toString() !== credential.userId) return undefined;
      const { verifyAuthenticationResponse } = await webauthn();
      const { verified, authenticationInfo } = await verifyAuthenticationResponse({
        response,
        expectedChallenge: challenge,
        expectedOrigin: origin,
        expectedRPID: id,
        requireUserVerification: true,
        credential: {
          id: credential.id,
          publicKey: Uint8Array.from(Buffer.from(credential.publicKey, 'base64url')),
          // Compared where it is stored, in one step with storing the new one, and only after the signature.
          counter: 0,
        },
      });
      if (!verified || response.id !== credential.id) return undefined;
      return { signCount: authenticationInfo.newCounter, backedUp: authenticationInfo.credentialBackedUp };
    } catch {
      // The library throws at whatever it cannot read or does not expect.
      return undefined;
    }
  }

  /** Undefined where the answer is not right. */
  async attestation(answer: object, challenge: string): Promise<NewCredential | undefined> {
    const { id, origin } = this.#require();
    const response = answer as RegistrationResponseJSON;
    try {
      const { verifyRegistrationResponse } = await webauthn();
      const { verified, registrationInfo } = await verifyRegistrationResponse({
        response,
        expectedChallenge: challenge,
        expectedOrigin: origin,
        expectedRPID: id,
        requireUserVerification: true,
        supportedAlgorithmIDs: ALGORITHMS,
      });
      if (!verified) return undefined;
      const { credential, aaguid, credentialDeviceType, credentialBackedUp } = registrationInfo;
      return {
        id: credential.id,
        publicKey: Buffer.from(credential.publicKey).toString('base64url'),
        signCount: credential.counter,
        aaguid,
        transports: transportsOf(response),
        deviceBound: credentialDeviceType === 'singleDevice',
        backedUp: credentialBackedUp,
      };
    } catch {
      return undefined;
    }
  }

  #require(): { readonly id: string; readonly origin: string } {
    if (this.#party === undefined) throw AuthFault.passkeys_unavailable();
    return this.#party;
  }
}

function described({ id, transports }: Credential): { id: string; transports: string[] } {
  return { id, transports: [...transports] };
}

/** The names of WebAuthn level 3, section 5.8.4; others are left out. */
const TRANSPORTS = new Set(['ble', 'hybrid', 'internal', 'nfc', 'smart-card', 'usb']);

function transportsOf({ response }: RegistrationResponseJSON): string[] {
  const given: unknown = response.transports;
  return Array.isArray(given) ? [...TRANSPORTS].filter((one) => given.includes(one)) : [];
}

/** Names only (a relying party id is a domain), and by TLS except on this machine (a secure context). */
function partyOf(url: string): { id: string; origin: string } | undefined {
  const { hostname, origin, protocol } = new URL(url);
  const bare = hostname.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0) return undefined;
  const local = hostname === 'localhost' || hostname.endsWith('.localhost');
  return protocol === 'https:' || local ? { id: hostname, origin } : undefined;
}
