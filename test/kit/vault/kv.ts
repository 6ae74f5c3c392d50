import {
  data,
  error,
  nothing,
  notFound,
  ok,
  unsupported,
  type VaultAnswer,
  type VaultRequest,
} from './answer.ts';

interface Version {
  data: Record<string, unknown> | undefined;
  created: string;
  deleted: string;
  destroyed: boolean;
}

interface Key {
  created: string;
  updated: string;
  current: number;
  oldest: number;
  maxVersions: number;
  casRequired: boolean;
  custom: Record<string, string> | null;
  readonly versions: Map<number, Version>;
}

const DEFAULT_VERSIONS = 10;

/** KV version 2 as OpenBao's source has it (builtin/logical/kv): statuses, texts of errors, and oddities. */
export class KvEngine {
  readonly keys = new Map<string, Key>();

  constructor(private readonly now: () => Date) {}

  /** For what an access list tells apart: creating and updating. */
  exists(path: string): boolean {
    return this.keys.has(path.slice(path.indexOf('/') + 1));
  }

  handle({ method, path, query, body }: VaultRequest): VaultAnswer {
    const [area, ...rest] = path.split('/');
    const name = rest.join('/');
    switch (`${method} ${area}`) {
      case 'GET data':
        return this.#read(name, Number(query.get('version') ?? 0));
      case 'POST data':
        return this.#write(name, body);
      case 'DELETE data':
        return this.#setDeleted(name, [this.keys.get(name)?.current ?? 0], true);
      case 'GET metadata':
        return this.#metadata(name);
      case 'LIST metadata':
        return this.#list(name);
      case 'POST metadata':
        return this.#setMetadata(name, body);
      case 'DELETE metadata':
        this.keys.delete(name);
        return nothing;
      case 'POST delete':
        return this.#setDeleted(name, body['versions'], true);
      case 'POST undelete':
        return this.#setDeleted(name, body['versions'], false);
      case 'POST destroy':
      case 'PUT destroy':
        return this.#destroy(name, body['versions']);
      default:
        return ['data', 'metadata', 'delete', 'undelete', 'destroy'].includes(area ?? '')
          ? unsupported
          : notFound;
    }
  }

  #read(name: string, asked: number): VaultAnswer {
    const key = this.keys.get(name);
    const number = asked > 0 ? asked : (key?.current ?? 0);
    const version = key?.versions.get(number);
    if (!key || !version) return notFound;
    const gone = version.destroyed || version.deleted !== '';
    const metadata = { ...told(number, version), custom_metadata: key.custom };
    return data({ data: gone ? null : version.data, metadata }, gone ? 404 : 200);
  }

  #write(name: string, body: Record<string, unknown>): VaultAnswer {
    const values = body['data'];
    if (typeof values !== 'object' || values === null) return error(400, 'no data provided');
    const cas = (body['options'] as Record<string, unknown> | undefined)?.['cas'];
    const key = this.keys.get(name) ?? this.#newKey();
    if (cas !== undefined && Number(cas) !== key.current)
      return error(400, 'check-and-set parameter did not match the current version');
    if (cas === undefined && key.casRequired)
      return error(400, 'check-and-set parameter required for this call');
    this.keys.set(name, key);
    key.current += 1;
    key.updated = this.#time();
    const version = {
      data: values as Record<string, unknown>,
      created: key.updated,
      deleted: '',
      destroyed: false,
    };
    key.versions.set(key.current, version);
    const oldest = key.current - (key.maxVersions || DEFAULT_VERSIONS) + 1;
    for (const number of key.versions.keys()) if (number < oldest) key.versions.delete(number);
    key.oldest = Math.min(...key.versions.keys());
    return data({ ...told(key.current, version), custom_metadata: key.custom });
  }

  #metadata(name: string): VaultAnswer {
    const key = this.keys.get(name);
    if (!key) return notFound;
    const versions = [...key.versions].map(([number, version]) => {
      const { version: _number, ...rest } = told(number, version);
      return [number, rest] as const;
    });
    return data({
      versions: Object.fromEntries(versions),
      current_version: key.current,
      oldest_version: key.oldest,
      created_time: key.created,
      updated_time: key.updated,
      max_versions: key.maxVersions,
      cas_required: key.casRequired,
      delete_version_after: '0s',
      custom_metadata: key.custom,
    });
  }

  #list(name: string): VaultAnswer {
    const folder = name === '' || name.endsWith('/') ? name : `${name}/`;
    const below = [...this.keys.keys()].filter((key) => key.startsWith(folder));
    const names = below.map((key) => key.slice(folder.length).replace(/\/.*/, '/'));
    const keys = [...new Set(names)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    return keys.length === 0 ? notFound : ok({ data: { keys } });
  }

  #setMetadata(name: string, body: Record<string, unknown>): VaultAnswer {
    const { max_versions: maxVersions, cas_required: casRequired, custom_metadata: custom } = body;
    if (custom !== undefined) {
      const fault = customFault(custom as Record<string, unknown>);
      if (fault !== undefined) return error(400, `custom_metadata validation failed: ${fault}`);
    }
    const key = this.keys.get(name) ?? this.#newKey();
    this.keys.set(name, key);
    if (maxVersions !== undefined) key.maxVersions = Number(maxVersions);
    if (casRequired !== undefined) key.casRequired = casRequired === true;
    if (custom !== undefined) key.custom = { ...(custom as Record<string, string>) };
    key.updated = this.#time();
    return nothing;
  }

  /** Of a key or a version that is not there nothing is said. */
  #setDeleted(name: string, versions: unknown, deleted: boolean): VaultAnswer {
    if (!Array.isArray(versions) || versions.length === 0) return error(400, 'No version number provided');
    const key = this.keys.get(name);
    for (const number of versions) {
      const version = key?.versions.get(Number(number));
      if (version && !version.destroyed && (version.deleted !== '') !== deleted)
        version.deleted = deleted ? this.#time() : '';
    }
    return nothing;
  }

  #destroy(name: string, versions: unknown): VaultAnswer {
    if (!Array.isArray(versions) || versions.length === 0) return error(400, 'No version number provided');
    const key = this.keys.get(name);
    for (const number of versions) {
      const version = key?.versions.get(Number(number));
      if (version) Object.assign(version, { destroyed: true, data: undefined });
    }
    return nothing;
  }

  #newKey(): Key {
    const created = this.#time();
    const none = { current: 0, oldest: 0, maxVersions: 0, casRequired: false, custom: null };
    return { ...none, created, updated: created, versions: new Map() };
  }

  #time(): string {
    return this.now().toISOString().replace('Z', '000000Z');
  }
}

function told(version: number, { created, deleted, destroyed }: Version): Record<string, unknown> {
  return { version, created_time: created, deletion_time: deleted, destroyed };
}

function customFault(custom: Record<string, unknown>): string | undefined {
  const entries = Object.entries(custom);
  if (entries.length > 64) return 'payload must contain at most 64 keys';
  for (const [name, value] of entries) {
    const text = String(value);
    if (name === '' || Buffer.byteLength(name) > 128) return 'length of key';
    if (text === '' || Buffer.byteLength(text) > 512) return 'length of value';
    if (/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(name + text)) return 'contains unprintable characters';
  }
  return undefined;
}
