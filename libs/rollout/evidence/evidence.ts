import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database, type OrgTx } from '#database';
import { parseStrictJson } from '#http';
import { canonicalJson, type Caller, Clock, type Json, type Page, pageOf, readPage, sha256 } from '#kernel';
import { RolloutFault } from '../rollout.faults.ts';
import { humanOf } from '../lifecycle/human.ts';
import { decode, type Envelope, IN_TOTO, readPublicKey, signEnvelope, signerOf } from './dsse.ts';
import type {
  AttachmentRequest,
  AttachmentView,
  EvidenceDetailView,
  EvidenceQuery,
  EvidenceRequest,
  EvidenceView,
} from './evidence.contract.ts';
import { EvidenceKeys } from './evidence-keys.ts';
import {
  type EvidenceRow,
  findEvidence,
  findKeys,
  insertAttachment,
  insertEvidence,
  readAttachment,
  readEvidence,
} from './evidence.store.ts';
import { isGiteas } from '../sources/facts.ts';
import { type Read, readStatement } from './statement.ts';
import { SKEW_MS } from '../lifecycle/clock-skew.ts';

const MOST_BYTES = 180 * 1024;
const MOST_SIGNATURES = 10;

/** Evidence on record: signed statements about plans, recoveries and artifacts, and files by their hash. */
@Injectable()
export class Evidence {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly keys: EvidenceKeys,
    private readonly clock: Clock,
  ) {}

  async list(caller: Caller, query: EvidenceQuery): Promise<Page<EvidenceView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) =>
      readEvidence(tx, { limit: limit + 1, before, subject: query.subject }),
    );
    return pageOf(rows, limit, evidenceView);
  }

  async read(caller: Caller, id: string): Promise<EvidenceDetailView> {
    return this.database.inOrg(caller, (tx) => this.#read(tx, id));
  }

  /**
   * Records a statement, which the organization signs, or an envelope that a trusted key has signed. Faults:
   * `rollout.evidence_malformed`, `rollout.evidence_unsigned`, `rollout.evidence_exists`.
   */
  async record(caller: Caller, request: EvidenceRequest): Promise<EvidenceDetailView> {
    return this.database.inOrg(caller, async (tx) => {
      if ((request.statement === undefined) === (request.envelope === undefined))
        throw malformed('', 'give either a statement or an envelope');
      const signed = request.statement
        ? await this.#sign(tx, caller, request.statement)
        : await this.#verify(tx, request.envelope);
      const digest = sha256(canonicalJson(signed.envelope as unknown as Json)).toString('hex');
      const producerId = humanOf(caller);
      const id = await insertEvidence(tx, signed.read, { ...signed, producerId, digest });
      if (id === undefined) throw RolloutFault.evidence_exists();
      const { read } = signed;
      await this.audit.append(tx, caller, {
        action: 'evidence.recorded',
        target: { type: 'evidence', id },
        changes: {
          digest: { to: digest },
          predicateType: { to: read.predicateType },
          result: { to: read.result },
          key: { to: signed.keyId },
          observedAt: { to: read.observedAt.toISOString() },
          ...(read.expiresAt && { expiresAt: { to: read.expiresAt.toISOString() } }),
        },
      });
      return this.#read(tx, id);
    });
  }

  /** Fault: `rollout.attachment_bad`. The same content again is the same attachment. */
  async attach(caller: Caller, request: AttachmentRequest): Promise<AttachmentView> {
    return this.database.inOrg(caller, async (tx) => {
      const { mediaType } = request;
      const content = decode(request.content);
      if (!content || content.length > MOST_BYTES || !looksLike(mediaType, content)) {
        const message = `must be base64 of 1 to ${MOST_BYTES} bytes that are of the media type`;
        throw RolloutFault.attachment_bad({ errors: [{ path: 'content', message }] });
      }
      const digest = sha256(content).toString('hex');
      if (request.sha256 !== undefined && request.sha256 !== digest) {
        const message = 'is not the hash of the content as it came';
        throw RolloutFault.attachment_bad({ errors: [{ path: 'sha256', message }] });
      }
      if (await insertAttachment(tx, { sha256: digest, mediaType, content })) {
        await this.audit.append(tx, caller, {
          action: 'evidence.attached',
          target: { type: 'evidence_attachment', id: digest },
          changes: { mediaType: { to: mediaType }, bytes: { to: content.length } },
        });
      }
      return { sha256: digest, mediaType, bytes: content.length };
    });
  }

  /** The content, whatever its type: it leaves as bytes, never as something a browser shows. */
  async attachment(caller: Caller, digest: string): Promise<Buffer> {
    const row = await this.database.inOrg(caller, (tx) => readAttachment(tx, digest));
    if (!row) throw RolloutFault.attachment_not_found();
    return row.content;
  }

  async #read(tx: OrgTx, id: string): Promise<EvidenceDetailView> {
    const row = await findEvidence(tx, id);
    if (!row) throw RolloutFault.evidence_not_found();
    return { ...evidenceView(row), envelope: row.envelope };
  }

  async #sign(tx: OrgTx, caller: Caller, statement: object): Promise<Signed> {
    const read = this.#readable(statement);
    const { row, privateKey } = await this.keys.own(tx, tx.orgId, caller);
    const body = Buffer.from(canonicalJson(statement as Json));
    return { read, keyId: row.id, envelope: signEnvelope(body, privateKey, row.keyid) };
  }

  async #verify(tx: OrgTx, given: unknown): Promise<Signed> {
    const envelope = envelopeOf(given);
    if (!envelope) throw malformed('envelope', `must be a DSSE envelope of ${IN_TOTO}`);
    const rows = await findKeys(
      tx,
      tx.orgId,
      envelope.signatures.map(({ keyid }) => keyid),
      this.clock.now(),
    );
    const signer = signerOf(
      envelope,
      rows.flatMap((row) => readPublicKey(row.public_key) ?? []),
    );
    const row = rows.find(({ keyid }) => keyid === signer?.keyid);
    if (!row) throw RolloutFault.evidence_unsigned();
    return { read: this.#readable(jsonOf(envelope.payload)), keyId: row.id, envelope };
  }

  #readable(statement: unknown): Read {
    const read = readStatement(statement);
    if (typeof read === 'string') throw malformed('statement', read);
    if (isGiteas(read.predicateType)) throw malformed('statement', 'predicateType is for what Gitea says');
    if (read.observedAt.getTime() > this.clock.now().getTime() + SKEW_MS)
      throw malformed('statement', 'predicate.timeVerified lies ahead');
    return read;
  }
}

interface Signed {
  readonly read: Read;
  readonly keyId: string;
  readonly envelope: Envelope;
}

const malformed = (path: string, message: string): Error =>
  RolloutFault.evidence_malformed({ errors: [{ path, message }] });

function envelopeOf(given: unknown): Envelope | undefined {
  const { payloadType, payload, signatures } = given as Record<string, unknown>;
  if (payloadType !== IN_TOTO || typeof payload !== 'string' || !Array.isArray(signatures)) return undefined;
  if (signatures.length === 0 || signatures.length > MOST_SIGNATURES) return undefined;
  const read = (signatures as unknown[]).flatMap((one) => {
    const { keyid, sig } = (one ?? {}) as Record<string, unknown>;
    return typeof keyid === 'string' && typeof sig === 'string' ? [{ keyid, sig }] : [];
  });
  // One key signs once: what says so twice was put together by somebody else.
  if (new Set(read.map(({ keyid }) => keyid)).size < signatures.length) return undefined;
  return { payloadType, payload, signatures: read };
}

function jsonOf(payload: string): unknown {
  try {
    // A key that stands there twice would say one thing here and another to somebody else.
    return parseStrictJson(decode(payload) ?? Buffer.alloc(0));
  } catch {
    return undefined;
  }
}

/** What a type promises at least: the first bytes of binary ones, and text that is text. */
function looksLike(mediaType: string, content: Buffer): boolean {
  if (mediaType === 'application/pdf') return content.subarray(0, 5).toString('latin1') === '%PDF-';
  if (mediaType === 'image/png') return content.subarray(0, 8).toString('hex') === '89504e470d0a1a0a';
  const text = content.toString('utf8');
  if (text.includes('\0') || !Buffer.from(text, 'utf8').equals(content)) return false;
  if (!mediaType.endsWith('json')) return true;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function evidenceView(row: EvidenceRow): EvidenceView {
  return {
    id: row.id,
    predicateType: row.predicate_type,
    subjects: row.subjects,
    result: row.result,
    producer: row.producer,
    producerId: row.producer_id,
    keyid: row.keyid,
    digest: row.digest,
    observedAt: row.observed_at.toISOString(),
    expiresAt: row.expires_at?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
  };
}
